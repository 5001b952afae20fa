// The container's health check: is the process alive? The image has no curl, and needs none.
const answer = await fetch(`http://127.0.0.1:${process.env.PORT ?? 8080}/livez`, { signal: AbortSignal.timeout(2_000) });
process.exit(answer.ok ? 0 : 1);
