/** `message.created` as generators want to read it: `MessageCreated`. */
export const pascal = (name: string): string => name.replaceAll(/(?:^|[._])([a-z0-9])/g, (_, first: string) => first.toUpperCase());
