// Where the wasm's bytes go: `node scripts/weigh.mjs FILE`, a wasm whose functions still have their names.
import { readFile } from 'node:fs/promises'
import { Reader } from './shorten.mjs'

const CODE = 10
const SECTIONS = new Map([[0, 'names'], [2, 'imports and exports'], [7, 'imports and exports'], [11, 'constants']])
/** Smaller ones are told as one. */
const LEAST = 0.005

const [file] = process.argv.slice(2)
if (!file) {
  console.error('usage: node scripts/weigh.mjs FILE')
  process.exit(2)
}
const wasm = await readFile(file)
const module = new WebAssembly.Module(wasm)
const names = functionNames(module)
/** @type {Map<string, number>} */
const bytes = new Map()
const add = (/** @type {string} */ what, /** @type {number} */ count) => bytes.set(what, (bytes.get(what) ?? 0) + count)

const reader = new Reader(wasm)
reader.bytes(8)
let next = imported(module)
while (!reader.done) {
  const id = reader.byte()
  const section = new Reader(reader.bytes(reader.number()))
  if (id === CODE) {
    for (let count = section.number(); count > 0; count--) {
      const start = section.at
      section.bytes(section.number())
      add(owner(names.get(next++) ?? ''), section.at - start)
    }
  } else {
    add(SECTIONS.get(id) ?? 'tables of types and functions', section.buffer.length)
  }
}
bytes.delete('names')

const total = [...bytes.values()].reduce((sum, count) => sum + count, 0)
const line = (/** @type {string} */ what, /** @type {number} */ count) =>
  console.log(`${what.padEnd(34)}${String(count).padStart(10)}${((100 * count) / total).toFixed(1).padStart(9)}%`)
console.log(`\n${'in the wasm'.padEnd(34)}${'bytes'.padStart(10)}${'share'.padStart(10)}`)
const big = [...bytes].filter(([, count]) => count >= total * LEAST).sort(([, a], [, b]) => b - a)
for (const [what, count] of big) line(what, count)
line('the rest', total - big.reduce((sum, [, count]) => sum + count, 0))

/**
 * The crate that a function is of; of this one, the module. What the compiler inlined counts for where it is now.
 * @param {string} name as Rust's demangler writes it
 */
function owner(name) {
  const plain = name.replace(/\[[0-9a-f]+\](?=::)/g, '')
  if (/^(chatsession_|chatinbox_|threadId|signOut)/.test(plain)) return 'what JavaScript calls'
  if (plain.startsWith('__rustc::')) return 'alloc'
  if (/^<(\[|str|char|[iu]\d|[iu]size|bool)/.test(plain)) return 'core'
  if (/^core::ptr::drop_in_place/.test(plain)) return 'core: dropping values'
  const [, crate, path = ''] = /^[<&(]*(?:dyn |mut )*([a-z]\w*)((?:::[a-z]\w*)*)::/.exec(plain) ?? []
  if (!crate) return "wasm-bindgen's own"
  if (crate !== 'chopped_chat') return crate
  const [first = 'lib', second] = path.split('::').filter(Boolean)
  return `chopped_chat::${first === 'browser' && second ? `browser::${second}` : first}`
}

/** @param {WebAssembly.Module} module */
function imported(module) {
  return WebAssembly.Module.imports(module).filter(({ kind }) => kind === 'function').length
}

/** @param {WebAssembly.Module} module @returns {Map<number, string>} */
function functionNames(module) {
  const FUNCTIONS = 1
  const section = WebAssembly.Module.customSections(module, 'name')[0]
  if (!section) throw new Error(`${file} has no names`)
  const reader = new Reader(new Uint8Array(section))
  /** @type {Map<number, string>} */
  const names = new Map()
  while (!reader.done) {
    const kind = reader.byte()
    const part = new Reader(reader.bytes(reader.number()))
    if (kind === FUNCTIONS) for (let count = part.number(); count > 0; count--) names.set(part.number(), part.text())
  }
  return names
}
