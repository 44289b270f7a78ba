"""What one client's upload tells of its images, and what a finished model tells of who was in its training."""
