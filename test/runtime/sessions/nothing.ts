/** A module that is no session. */
export const open = 1
