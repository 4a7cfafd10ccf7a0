// node bench.js [--pairs N] [open|inbox|ingest|send|memory|size]...: `cargo xtask bench` runs it with the stand-in's addresses.
import { readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { out, setUp } from './stage.js'
import { Table, markdown } from './table.js'

const NAMES = ['open', 'inbox', 'ingest', 'send', 'memory', 'size']
/** Fewer say too little for the README. */
const PAIRS = 15
const MARKS = ['<!-- bench: written by `cargo xtask bench` -->', '<!-- /bench -->']

const { values, positionals } = parseArgs({ allowPositionals: true, options: { pairs: { type: 'string', default: String(PAIRS) } } })
const names = positionals.length > 0 ? positionals : NAMES
const pairs = Number(values.pairs)
const complete = names.length === NAMES.length && pairs >= PAIRS
const about = { date: new Date().toISOString().slice(0, 10), machine: `${cpus().length} cores, ${cpus()[0].model}, Node ${process.versions.node}`, pairs, complete }

const stage = await setUp()
about.machine += `, Chromium ${stage.browser.version()}`
const tables = []
try {
  for (const name of names) {
    const { measure } = await import(`./measure/${name}.js`)
    const table = new Table(name, about)
    const began = performance.now()
    await measure(stage, pairs, table)
    await table.save(out)
    console.log(`${table}\n  ${Math.round((performance.now() - began) / 1000)} s`)
    tables.push(table.result)
  }
} finally {
  await stage.end()
}

const goals = tables.flatMap(({ rows }) => rows.flatMap((row) => row.goals))
console.log(`\n${goals.filter(({ held }) => held).length} goals held, ${goals.filter(({ held }) => !held).length} missed`)
if (complete) {
  const readme = new URL('../../README.md', import.meta.url)
  const text = await readFile(readme, 'utf8')
  const [from, to] = MARKS.map((mark) => text.indexOf(mark))
  if (from < 0 || to < from) throw new Error(`README.md has no ${MARKS.join(' … ')}`)
  await writeFile(readme, `${text.slice(0, from)}${MARKS[0]}\n${markdown(tables)}\n${text.slice(to)}`)
}
