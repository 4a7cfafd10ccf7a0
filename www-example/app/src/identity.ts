import { stored } from './stored.ts'

/** Whose page this is. Tabs of the same origin share the session's cookies too. */
export const [useMyMongoId, setMyMongoId] = stored('chopped.mongoUserId')
