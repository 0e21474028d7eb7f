// Keeps the page's own files, so that it opens where the service does not answer. It touches nothing else: what the
// service is asked goes to the service, and no answer of it is kept here.

const worker = /** @type {any} */ (self);
const KEPT = "panic-page";
const WITHIN_MS = 3000; // a service that hangs is no service
const OF_RELEASE = /^\/room\/\w+\//;

worker.addEventListener("install", (event) => {
  event.waitUntil(keepAll());
  worker.skipWaiting();
});
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  const isFile =
    event.request.method === "GET" &&
    origin === worker.location.origin &&
    (pathname === "/" || pathname.startsWith("/room/"));
  if (isFile) event.respondWith(freshOrKept(event.request, pathname));
});

/** Keep the page and every file that it names. */
async function keepAll() {
  const page = await (await fetch("/", { cache: "no-cache" })).text();
  const files = [...page.matchAll(/(?:src|href)="(room\/[^"]+)"/g)].map(([, name]) => `/${name}`);
  await (await caches.open(KEPT)).addAll(["/", ...new Set(files)]);
}

/** Give a file as the service has it, or as it was when the service last answered; under the address of its release
 *  it is always the same. */
async function freshOrKept(request, name) {
  const kept = await caches.open(KEPT);
  const same = OF_RELEASE.test(name) ? await kept.match(name) : undefined;
  if (same) return same;
  try {
    const fresh = await fetch(request, { signal: AbortSignal.timeout(WITHIN_MS) });
    if (fresh.ok) await kept.put(name, fresh.clone());
    if (fresh.ok && name === "/") await forgetOthers(kept, await fresh.clone().text());
    return fresh.ok ? fresh : ((await kept.match(name)) ?? fresh);
  } catch {
    return (await kept.match(name)) ?? Response.error();
  }
}

/** Forget the files of releases before that of this page. */
async function forgetOthers(kept, page) {
  const [release] = page.match(/room\/\w+\//) ?? [""];
  for (const { url } of await kept.keys())
    if (OF_RELEASE.test(new URL(url).pathname) && !url.includes(release)) await kept.delete(url);
}
