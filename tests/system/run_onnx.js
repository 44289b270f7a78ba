// node run_onnx.js MODEL.onnx IMAGES LOGITS N C H W: float32 images in, float32 logits out, through onnxruntime.
const fs = require("fs");
const runtime = require("onnxruntime-node");

async function main([model, images, logits, ...shape]) {
  const [count, ...extents] = shape.map(Number);
  const size = extents.reduce((a, b) => a * b, 1);
  const bytes = fs.readFileSync(images);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const session = await runtime.InferenceSession.create(model);
  const out = fs.openSync(logits, "w");
  const batch = 500;
  for (let first = 0; first < count; first += batch) {
    const n = Math.min(batch, count - first);
    const part = all.slice(first * size, (first + n) * size);
    const result = await session.run({ images: new runtime.Tensor("float32", part, [n, ...extents]) });
    const data = result.logits.data;
    fs.writeSync(out, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  }
  fs.closeSync(out);
}

main(process.argv.slice(2)).catch((problem) => {
  console.error(problem.message);
  process.exit(1);
});
