const TIME = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const DAY_OF_YEAR = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' })
const SHORT_DAY = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })

export const timeText = (date: Date): string => TIME.format(date)

/** Today, yesterday, a weekday with its date, or for another year the full date: all in the reader's time zone. */
export function dayText(date: Date, now = new Date()): string {
  const days = daysBetween(now, date)
  if (days === 0 || days === -1) return capitalised(RELATIVE.format(days, 'day'))
  return (date.getFullYear() === now.getFullYear() ? DAY : DAY_OF_YEAR).format(date)
}

/** The same in short: the time of today, or the day. */
export function whenText(date: Date, now = new Date()): string {
  const days = daysBetween(now, date)
  if (days === -1) return capitalised(RELATIVE.format(days, 'day'))
  return (days === 0 ? TIME : SHORT_DAY).format(date)
}

export const isSameDay = (a: Date, b: Date): boolean => startOfDay(a) === startOfDay(b)

const daysBetween = (from: Date, to: Date): number => Math.round((startOfDay(to) - startOfDay(from)) / 86_400_000)

const startOfDay = (date: Date): number => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()

const capitalised = (text: string): string => text.charAt(0).toLocaleUpperCase() + text.slice(1)
