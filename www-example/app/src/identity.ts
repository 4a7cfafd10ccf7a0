import { useSyncExternalStore } from 'react'

const KEY = 'chopped.mongoUserId'
const listeners = new Set<() => void>()

/** Whose page this is. Follows what other tabs of the same origin do, since they share the session's cookies too. */
export function useMyMongoId(): string | null {
  return useSyncExternalStore(subscribe, () => localStorage.getItem(KEY))
}

export function setMyMongoId(mongoId: string | null): void {
  if (mongoId === null) localStorage.removeItem(KEY)
  else localStorage.setItem(KEY, mongoId)
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  window.addEventListener('storage', listener)
  return () => {
    listeners.delete(listener)
    window.removeEventListener('storage', listener)
  }
}
