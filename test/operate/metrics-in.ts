/** The metrics that an expression asks for: names before a selector, a range, or nothing: not functions, labels or words of PromQL. */
export const metricsIn = (expr: string): string[] => {
  const bare = expr
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/\b(by|on|without) \([^)]*\)/g, '');
  return [...bare.matchAll(/\b([a-z_][a-z0-9_:]*)\b(?! ?\()/gi)]
    .map(([, name = '']) => name)
    .filter((name) => !/^(and|or|unless|offset|sum|max|min|count|[smhd])$/.test(name))
    .map((name) => name.replace(/_(bucket|count|sum)$/, ''));
};
