// Short names between the WebAssembly and its glue. wasm-bindgen's hold hashes and mangled types, twice, and neither minifier
// may touch them; our own modules it hands over whole, with the name of each function in them. Two KiB of what a page loads.

const IMPORTS = 2
const EXPORTS = 7
/** The names that wasm-bindgen made; `memory` and the package's own functions keep theirs. */
const GENERATED = /^(__wbg_|__wbindgen_|__externref_|wasm_bindgen_|chatsession_|chatinbox_)/
/** Where our own modules lie. */
const OURS = './snippets/'
/** The one module that is left. */
const MODULE = '_'

/**
 * @param {Uint8Array} wasm what wasm-bindgen made
 * @param {string} glue the JavaScript that it made beside it
 * @returns {{ wasm: Uint8Array, glue: string }}
 */
export function shorten(wasm, glue) {
  /** @type {Map<string, string>} */
  const names = new Map()
  /** What the wasm calls of our own modules. @type {Map<string, { module: string, name: string, as: string }>} */
  const ours = new Map()
  const short = (/** @type {string} */ name) => {
    const known = names.get(name) ?? `_${names.size.toString(36)}`
    names.set(name, known)
    return known
  }
  const rename = (/** @type {string} */ name) => (GENERATED.test(name) ? short(name) : name)
  const imported = (/** @type {string} */ module, /** @type {string} */ name) => {
    if (!module.startsWith(OURS)) return rename(name)
    // No word, so that it is not replaced in the glue.
    const as = short(`${module} ${name}`)
    ours.set(as, { module, name, as })
    return as
  }

  const input = new Reader(wasm)
  const output = new Writer()
  output.bytes(input.bytes(8))
  while (!input.done) {
    const id = input.byte()
    const section = new Reader(input.bytes(input.number()))
    const made = new Writer()
    if (id === IMPORTS || id === EXPORTS) {
      const count = section.number()
      made.number(count)
      for (let i = 0; i < count; i++) {
        if (id === IMPORTS) {
          const module = section.text()
          made.text(MODULE)
          made.text(imported(module, section.text()))
        } else {
          made.text(rename(section.text()))
        }
        const start = section.at
        section.skipDescription(id === IMPORTS)
        made.bytes(section.buffer.subarray(start, section.at))
      }
    } else {
      made.bytes(section.buffer)
    }
    output.byte(id)
    output.number(made.length)
    output.bytes(made.take())
  }

  const shortGlue = glue
    .replace(/^import \* as import\d+ from .*\n/gm, '')
    .replace(/^ +"\.\/snippets\/[^"]+": import\d+,\n/gm, '')
    .replace('"./core_bg.js": import0', `${MODULE}: import0`)
    .replace(/\b\w+\b/g, (word) => names.get(word) ?? word)
    .replace('const import0 = {', `const import0 = { ${[...ours.keys()].map((as) => `${as}, `).join('')}`)
  const imports = [...ours.values()].map(({ module, name, as }) => `import { ${name} as ${as} } from '${module}'\n`)
  return { wasm: output.take(), glue: imports.join('') + shortGlue }
}

const utf8 = { encode: new TextEncoder(), decode: new TextDecoder('utf-8', { fatal: true }) }

export class Reader {
  at = 0

  /** @param {Uint8Array} buffer */
  constructor(buffer) {
    this.buffer = buffer
  }

  get done() {
    return this.at >= this.buffer.length
  }

  byte() {
    const byte = this.buffer[this.at++]
    if (byte === undefined) throw new Error('the wasm ends too early')
    return byte
  }

  /** @param {number} count */
  bytes(count) {
    this.at += count
    if (this.at > this.buffer.length) throw new Error('the wasm ends too early')
    return this.buffer.subarray(this.at - count, this.at)
  }

  /** LEB128 */
  number() {
    let number = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      number += (byte & 127) * 2 ** shift
      if (byte < 128) return number
    }
  }

  text() {
    return utf8.decode.decode(this.bytes(this.number()))
  }

  /** @param {boolean} isImport */
  skipDescription(isImport) {
    const kind = this.byte()
    if (!isImport || kind === 0) {
      this.number()
    } else if (kind === 3) {
      this.bytes(2)
    } else if (kind === 1 || kind === 2) {
      // A table's element type comes before its limits.
      if (kind === 1) this.byte()
      const limits = this.byte()
      this.number()
      if (limits & 1) this.number()
    } else {
      throw new Error(`an import of the unknown kind ${kind}`)
    }
  }
}

class Writer {
  /** @type {number[]} */
  #bytes = []

  get length() {
    return this.#bytes.length
  }

  /** @param {number} byte */
  byte(byte) {
    this.#bytes.push(byte)
  }

  /** @param {Uint8Array} bytes */
  bytes(bytes) {
    for (const byte of bytes) this.#bytes.push(byte)
  }

  /** @param {number} number */
  number(number) {
    for (; number > 127; number = Math.floor(number / 128)) this.byte((number & 127) | 128)
    this.byte(number)
  }

  /** @param {string} text */
  text(text) {
    const bytes = utf8.encode.encode(text)
    this.number(bytes.length)
    this.bytes(bytes)
  }

  take() {
    return Uint8Array.from(this.#bytes)
  }
}
