// What was measured, as a table for people, as JSON, and as a plot.
import { writeFile } from 'node:fs/promises'
import { bars } from './plots.js'
import { ratio, summary } from './statistics.js'

export class Table {
  rows = []

  /** @param {string} name @param {object} about */
  constructor(name, about) {
    this.name = name
    this.about = about
  }

  /**
   * @param {{ name: string, unit: string, samples: Record<string, number[]>, goals?: { against?: string, most: number }[], compare?: boolean, readme?: boolean }} row
   *   the first of `samples` is ours; a goal bounds its ratio to another, or itself; without `compare` there are no ratios
   */
  row({ name, unit, samples, goals = [], compare = true, readme = true }) {
    const [ours, ...others] = Object.keys(samples)
    const ratios = Object.fromEntries(
      (compare ? others : []).map((other) => [other, ratio(samples[ours], samples[other])]),
    )
    const summaries = Object.fromEntries(Object.entries(samples).map(([peer, values]) => [peer, summary(values)]))
    const judged = goals.map(({ against, most }) => {
      const value = against ? ratios[against].median : summaries[ours].median
      return { against, most, held: value <= most }
    })
    this.rows.push({ name, unit, samples, summaries, ratios, goals: judged, readme })
  }

  get result() {
    return { name: this.name, ...this.about, rows: this.rows }
  }

  async save(dir) {
    await writeFile(new URL(`${this.name}.json`, dir), `${JSON.stringify(this.result, null, 1)}\n`)
    await writeFile(new URL(`${this.name}.svg`, dir), bars(this.result, number))
  }

  toString() {
    const lines = [`\n${this.name}: median (p95); ratio to the peer, its quartiles`]
    for (const { name, unit, summaries, ratios, goals } of this.rows) {
      lines.push(`  ${name}`)
      for (const [peer, { median, p95 }] of Object.entries(summaries)) {
        const beside = ratios[peer] ? `   × ${number(ratios[peer].median)} (${number(ratios[peer].p25)}–${number(ratios[peer].p75)})` : ''
        lines.push(`    ${peer.padEnd(20)}${`${number(median)} ${unit}`.padStart(14)} (${number(p95)})${beside}`)
      }
      for (const goal of goals) lines.push(`    ${said(goal, unit)}`)
    }
    return lines.join('\n')
  }
}

const said = ({ against, most, held }, unit = '') => `goal ${against ? `× ${most} of ${against}` : `${most} ${unit}`} at most: ${held ? 'held' : 'MISSED'}`

export function number(value) {
  const size = Math.abs(value)
  return size >= 1000 ? Math.round(value).toLocaleString('en') : size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 0.1 ? value.toFixed(2) : size >= 0.0005 ? value.toFixed(3) : '0'
}

/** The rows of `tables` for the README. */
export function markdown(tables) {
  const [{ date, machine, pairs }] = tables
  const lines = [
    `Measured ${date} by \`cargo xtask bench\` on ${machine}, ${pairs} rounds of each peer in turn; medians, and the ratio to supabase-js with its quartiles.`,
  ]
  for (const { name, rows } of tables) {
    lines.push('', `| ${name} | chopped-chat | supabase-js | realtime-js + postgrest-js | floor | ratio | goal |`, '|---|---|---|---|---|---|---|')
    for (const { name: what, unit, summaries, ratios, goals } of rows.filter((row) => row.readme)) {
      const cell = (peer) => (summaries[peer] ? `${number(summaries[peer].median)} ${unit}`.trim() : '')
      const beside = ratios['supabase-js']
      const goal = goals.map(({ against, most, held }) => `${against ? `× ${most}${against === 'floor' ? ' of the floor' : ''}` : `${most} ${unit}`.trim()}: ${held ? 'held' : '**missed**'}`)
      const helped = (peer) => cell(peer) + (summaries[`${peer}, helped`] ? `; helped ${cell(`${peer}, helped`)}` : '')
      const cells = [what, helped('chopped-chat'), helped('supabase-js'), cell('realtime-postgrest'), cell('floor')]
      lines.push(`| ${[...cells, beside ? `${number(beside.median)} (${number(beside.p25)}–${number(beside.p75)})` : '', goal.join(', ')].join(' | ')} |`)
    }
  }
  return lines.join('\n')
}
