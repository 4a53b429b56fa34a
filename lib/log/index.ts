// The public interface of `node-dax/log`: a durable log on persistent memory.

export type { FollowOptions, Log, LogInfo, ReadOptions } from './log.js';
export { openLog, type OpenLogOptions } from './open.js';
export type { LogEntry, LogRecord, Loss, OnLoss } from './reading.js';
