/** @param {number[]} values @param {number} part 0 to 1, between neighbours in proportion */
export function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * part
  const below = sorted[Math.floor(at)]
  return below + (sorted[Math.ceil(at)] - below) * (at - Math.floor(at))
}

export const median = (values) => quantile(values, 0.5)

export const summary = (values) => ({ median: median(values), p25: quantile(values, 0.25), p75: quantile(values, 0.75), p95: quantile(values, 0.95) })

/** Of pairs that were measured one after the other: a slow minute of the machine slows both. */
export const ratio = (ours, theirs) => summary(ours.map((value, at) => value / theirs[at]))
