/** Injection token of the LaneDataSource. Not the class: importing that loads TypeORM, 10 MB that a process without entities does not need. */
export const DATA_SOURCE = Symbol('LaneDataSource');
