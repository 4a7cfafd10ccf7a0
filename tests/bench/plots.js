// What was measured, as pictures that can be read in the light and in the dark.
import { median } from './statistics.js'

/** Of each peer, in the light and in the dark. */
const COLOURS = {
  'chopped-chat': ['#c2410c', '#fb923c'],
  'supabase-js': ['#15803d', '#4ade80'],
  'realtime-postgrest': ['#1d4ed8', '#60a5fa'],
  floor: ['#737373', '#a3a3a3'],
  'chopped-chat, helped': ['#ca8a04', '#facc15'],
  'supabase-js, helped': ['#7e22ce', '#c084fc'],
}
const PEERS = Object.keys(COLOURS)
const classOf = (peer) => `p${PEERS.indexOf(peer)}`
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const text = (x, y, words, more = '') => `<text x="${x}" y="${y}" ${more}>${escaped(words)}</text>`

function svg(width, height, parts) {
  const rules = (at) => PEERS.map((peer) => `.${classOf(peer)}{color:${COLOURS[peer][at]}}`).join('')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui,sans-serif" font-size="11">
<style>
.paper{fill:#fff}text{fill:#262626}.axis{stroke:#d4d4d4}${rules(0)}
@media(prefers-color-scheme:dark){.paper{fill:#0d1117}text{fill:#e5e5e5}.axis{stroke:#404040}${rules(1)}}
</style>
<rect class="paper" width="100%" height="100%"/>
${parts.join('\n')}
</svg>
`
}

const legend = (peers, y, wide) =>
  peers.map((peer, at) => `<circle class="${classOf(peer)}" cx="${20 + at * wide}" cy="${y - 4}" r="5" fill="currentColor"/>${text(30 + at * wide, y, peer)}`)

/** A dot at each median, a line from quartile to quartile, each row on a scale of its own from 0. */
export function bars({ name, date, machine, rows }, number) {
  const LEFT = 330
  const WIDE = 420
  const LINE = 14
  const peers = [...new Set(rows.flatMap(({ summaries }) => Object.keys(summaries)))]
  const parts = [text(14, 20, `${name}, ${date}, ${machine}`, 'font-size="14"'), ...legend(peers, 42, 150)]
  let y = 66
  for (const { name: what, unit, summaries } of rows) {
    const most = Math.max(...Object.values(summaries).map(({ p75 }) => p75), Number.MIN_VALUE)
    const x = (value) => (LEFT + (Math.max(value, 0) / most) * WIDE).toFixed(1)
    parts.push(text(LEFT - 10, y + (Object.keys(summaries).length * LINE) / 2, what, 'text-anchor="end"'))
    for (const [peer, { median: middle, p25, p75 }] of Object.entries(summaries)) {
      parts.push(
        `<g class="${classOf(peer)}" stroke="currentColor"><path d="M${LEFT} ${y}H${x(middle)}" stroke-width="6" opacity=".35"/>`,
        `<path d="M${x(p25)} ${y}H${x(p75)}" stroke-width="2"/><circle cx="${x(middle)}" cy="${y}" r="3" fill="currentColor"/></g>`,
        text(LEFT + WIDE + 14, y + 4, `${number(middle)} ${unit}`),
      )
      y += LINE
    }
    y += 10
  }
  return svg(LEFT + WIDE + 130, y, parts)
}

/**
 * Times over round trips: a line for each peer, dashed where the gateway is a hosted one.
 *
 * @param {string} title
 * @param {{ title: string, lines: { peer: string, dashed: boolean, points: { ms: number, times: number[] }[] }[] }[]} panels
 */
export function lines(title, panels) {
  const [WIDE, HIGH, LEFT, TOP, GAP] = [330, 240, 64, 96, 76]
  const all = panels.flatMap((panel) => panel.lines).map((line) => ({ ...line, points: line.points.map(({ ms, times }) => ({ ms, took: median(times) })) }))
  const points = all.flatMap((line) => line.points)
  const far = Math.max(...points.map(({ ms }) => ms))
  const most = Math.ceil(Math.max(...points.map(({ took }) => took)) / 200) * 200
  const parts = [text(14, 24, title, 'font-size="14"'), ...legend([...new Set(all.map(({ peer }) => peer))], 48, 160), text(15, 68, 'dashed: a hosted gateway')]
  for (const [at, panel] of panels.entries()) {
    const left = LEFT + at * (WIDE + GAP)
    const x = (ms) => (left + (ms / far) * WIDE).toFixed(1)
    const y = (took) => (TOP + HIGH - (took / most) * HIGH).toFixed(1)
    parts.push(text(left, TOP - 8, panel.title, 'font-weight="600"'), text(left + WIDE, TOP + HIGH + 34, 'round trip', 'text-anchor="end"'))
    for (let took = 0; took <= most; took += 200) {
      parts.push(`<path class="axis" d="M${left} ${y(took)}h${WIDE}"/>`, text(left - 8, Number(y(took)) + 4, `${took} ms`, 'text-anchor="end"'))
    }
    for (const ms of new Set(points.map((point) => point.ms))) parts.push(text(x(ms), TOP + HIGH + 18, `${ms} ms`, 'text-anchor="middle"'))
    for (const { peer, dashed, points: on } of all.slice(at * panel.lines.length, (at + 1) * panel.lines.length)) {
      const way = on.map(({ ms, took }) => `${x(ms)},${y(took)}`)
      const dots = on.map(({ ms, took }) => `<circle cx="${x(ms)}" cy="${y(took)}" r="3" fill="currentColor"/>`)
      parts.push(`<g class="${classOf(peer)}"><polyline points="${way.join(' ')}" fill="none" stroke="currentColor" stroke-width="2"${dashed ? ' stroke-dasharray="5 4"' : ''}/>${dots.join('')}</g>`)
    }
  }
  return svg(LEFT + panels.length * (WIDE + GAP) - GAP + 30, TOP + HIGH + 50, parts)
}
