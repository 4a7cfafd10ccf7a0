import { useSyncExternalStore } from 'react'

/** A hook for a value in localStorage, and what sets it; null removes it. The hook follows other tabs of the same origin. */
export function stored(key: string): [use: () => string | null, set: (value: string | null) => void] {
  const listeners = new Set<() => void>()
  const subscribe = (listener: () => void) => {
    listeners.add(listener)
    window.addEventListener('storage', listener)
    return () => {
      listeners.delete(listener)
      window.removeEventListener('storage', listener)
    }
  }
  const set = (value: string | null) => {
    if (value === null) localStorage.removeItem(key)
    else localStorage.setItem(key, value)
    for (const listener of listeners) listener()
  }
  return [() => useSyncExternalStore(subscribe, () => localStorage.getItem(key)), set]
}
