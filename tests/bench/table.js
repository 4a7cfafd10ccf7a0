// What was measured, as a table for people, as JSON, and as a plot.
import { writeFile } from 'node:fs/promises'
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
    await writeFile(new URL(`${this.name}.svg`, dir), plot(this.result))
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
      const early = summaries['chopped-chat, early'] ? `; wasm asked for early ${cell('chopped-chat, early')}` : ''
      const cells = [what, cell('chopped-chat') + early, cell('supabase-js'), cell('realtime-postgrest'), cell('floor')]
      lines.push(`| ${[...cells, beside ? `${number(beside.median)} (${number(beside.p25)}–${number(beside.p75)})` : '', goal.join(', ')].join(' | ')} |`)
    }
  }
  return lines.join('\n')
}

const COLOURS = { 'chopped-chat': '#c2410c', 'supabase-js': '#15803d', 'realtime-postgrest': '#1d4ed8', floor: '#737373', 'chopped-chat, early': '#f59e0b' }

/** A dot at each median, a line from quartile to quartile, each row on a scale of its own from 0. */
function plot({ name, date, machine, rows }) {
  const LEFT = 330
  const WIDE = 420
  const LINE = 14
  const parts = []
  let y = 56
  for (const { name: what, unit, summaries } of rows) {
    const most = Math.max(...Object.values(summaries).map(({ p75 }) => p75), Number.MIN_VALUE)
    const x = (value) => (LEFT + (Math.max(value, 0) / most) * WIDE).toFixed(1)
    const peers = Object.entries(summaries)
    parts.push(`<text x="${LEFT - 10}" y="${y + (peers.length * LINE) / 2}" text-anchor="end">${escaped(what)}</text>`)
    for (const [peer, { median, p25, p75 }] of peers) {
      const colour = COLOURS[peer] ?? '#737373'
      parts.push(
        `<path d="M${LEFT} ${y}H${x(median)}" stroke="${colour}" stroke-width="6" opacity=".35"/>`,
        `<path d="M${x(p25)} ${y}H${x(p75)}" stroke="${colour}" stroke-width="2"/><circle cx="${x(median)}" cy="${y}" r="4" fill="${colour}"/>`,
        `<text x="${LEFT + WIDE + 14}" y="${y + 4}">${escaped(`${number(median)} ${unit}`)}</text>`,
      )
      y += LINE
    }
    y += 10
  }
  const keys = [...new Set(rows.flatMap(({ summaries }) => Object.keys(summaries)))]
  const legend = keys.map((peer, at) => `<circle cx="${20 + at * 170}" cy="38" r="5" fill="${COLOURS[peer] ?? '#737373'}"/><text x="${30 + at * 170}" y="42">${escaped(peer)}</text>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDE + 110}" height="${y}" font-family="system-ui,sans-serif" font-size="11">
<rect width="100%" height="100%" fill="#fff"/><text x="14" y="20" font-size="14">${escaped(`${name}, ${date}, ${machine}`)}</text>
${legend.join('\n')}
${parts.join('\n')}
</svg>
`
}

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
