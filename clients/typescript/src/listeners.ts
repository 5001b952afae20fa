/** Listeners by the type of event. One that throws harms no other: its error is reported as uncaught. */
export class Listeners<Events extends object> {
  private readonly all = new Map<keyof Events, Set<(event: never) => void>>();

  /** @returns what takes the listener away again. */
  on<Type extends keyof Events>(type: Type, listener: (event: Events[Type]) => void): () => void {
    const listeners = this.all.get(type) ?? new Set();
    this.all.set(type, listeners);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  emit<Type extends keyof Events>(type: Type, event: Events[Type]): void {
    for (const listener of this.all.get(type) ?? []) {
      try {
        (listener as (event: Events[Type]) => void)(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
