// What a username and a password must be, said before the service is asked; null when they are.

const PASSWORD_MIN = 10;

export const wrongUsername = (text) => (/^[A-Za-z0-9@.+_-]+$/.test(text) ? null : "Letters, digits and @ . + - _ only.");
export const wrongPassword = (text) => (text.length < PASSWORD_MIN ? `Use at least ${PASSWORD_MIN} characters.` : null);

/** Without what is right: {field: words}. */
export const onlyWrong = (found) => Object.fromEntries(Object.entries(found).filter(([, words]) => words));

/** Of one list, who has this username; capitals make no difference. */
export const named = (list, username) => list.find((one) => one.username.toLowerCase() === username.toLowerCase());
