import { stored } from './stored.ts'

const [useSetting, setSetting] = stored('chopped.receipts')

/** Whether others are told what this person has read, and this person what they have. */
export const useReceipts = (): boolean => useSetting() !== 'off'
export const setReceipts = (receipts: boolean): void => setSetting(receipts ? null : 'off')
