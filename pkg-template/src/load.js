// Finding and compiling core_bg.wasm, with no configuration in any bundler.

/** @param {import('./index.js').WasmSource | undefined} source */
export async function load(source) {
  if (source === undefined) return (await beside()) ?? (await inlined())
  if (source instanceof WebAssembly.Module) return source
  if (typeof source === 'string' || source instanceof URL || source instanceof Request) return compile(await fetch(source))
  if (source instanceof Response) return compile(source)
  return WebAssembly.compile(source)
}

/** @param {Response} response */
async function compile(response) {
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`)
  // While it arrives, where the server says what it is; browsers insist on exactly this.
  if (response.headers.get('content-type') === 'application/wasm') return WebAssembly.compileStreaming(response)
  return WebAssembly.compile(await response.arrayBuffer())
}

/** The file beside this one; `undefined` where a bundler or a server does not hand it out. */
async function beside() {
  try {
    const url = new URL('./core_bg.wasm', import.meta.url)
    // Vite up to 7 moves this file there and leaves the wasm behind; its dev server answers with a page.
    if (!/^https?:$/.test(url.protocol) || url.pathname.includes('/.vite/')) return undefined
    const response = await fetch(url)
    if (!response.ok || response.headers.get('content-type')?.includes('html')) return undefined
    return await compile(response)
  } catch {
    return undefined
  }
}

async function inlined() {
  const { default: text } = await import('./inline.js')
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'))
  return WebAssembly.compile(await new Response(stream).arrayBuffer())
}
