const http = require("http"), fs = require("fs"), cp = require("child_process"), net = require("net");
const { Worker, isMainThread, parentPort } = require("worker_threads");
const crypto = require("crypto");
if (!isMainThread) {
  parentPort.on("message", (n) => { let s = 0; for (let i = 0; i < n; i++) s += i; parentPort.postMessage(s); parentPort.close(); });
} else (async () => {
  const w = new Worker(__filename);
  w.postMessage(1000);
  console.log(await new Promise((r) => w.once("message", r)));
  const s = http.createServer((q, r) => r.end("hello " + q.url)).listen(0, "127.0.0.1");
  await new Promise((r) => s.once("listening", r));
  const get = (p) => new Promise((ok) => http.get({ host: "127.0.0.1", port: s.address().port, path: p }, (r) => { let d = ""; r.on("data", (c) => d += c); r.on("end", () => ok(d)); }));
  console.log((await Promise.all([..."abc"].map((c) => get("/" + c)))).join());
  s.close();
  await fs.promises.writeFile("x", "y".repeat(100000));
  console.log((await fs.promises.stat("x")).size, (await fs.promises.readdir(".")).sort().join());
  console.log(await new Promise((r) => cp.execFile("sh", ["-c", "echo out; exit 4"], (e, o) => r([e.code, o]))));
  console.log((await new Promise((r) => crypto.pbkdf2("a", "b", 1000, 8, "sha256", (e, k) => r(k)))).toString("hex"));
  const u = net.createServer((c) => c.pipe(c)).listen("sock");
  const c = net.connect("sock", () => c.end("echo"));
  c.on("data", (d) => console.log(String(d)));
  await new Promise((r) => c.once("close", r));
  u.close();
  const k = cp.fork("-e", [], { execArgv: ["-e", "process.send({pid: process.pid > 0}); process.disconnect()"], stdio: "inherit" in cp ? [] : [0, 1, 2, "ipc"] });
  console.log(await new Promise((r) => k.once("message", r)));
  fs.unlinkSync("x");
})();
