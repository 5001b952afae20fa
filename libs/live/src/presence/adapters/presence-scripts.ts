import type { Redis } from 'ioredis';

// Keys, all below KEYS[1]; the scripts make them, so Redis must be one server (or one with replicas), not a cluster.
//   :processes      sorted set: a process and its last heartbeat, in milliseconds of Redis' own clock (ours may disagree with each other).
//                   Its lease is good for leaseMs after that; graceMs later its users are swept.
//   :users:<P>      set: the users of process P
//   :user:<U>       hash: process -> open sessions of user U there; 0 while the user is absent. A field that is there was announced as online.
//   :seen:<U>       when the last session of U was closed, for 30 days
//   :swept:<P>      says for a day that P was taken for dead, should it come back
const PROLOGUE = `
local prefix = KEYS[1]
local processes = prefix .. ':processes'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local leaseMs = tonumber(ARGV[1])
local function is_registered(id)
  local beat = redis.call('ZSCORE', processes, id)
  return beat and tonumber(beat) > now - leaseMs
end
local function heard_within(ms)
  local ids = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', processes, '(' .. now - ms, '+inf')) do ids[id] = true end
  return ids
end
local function see(user, at)
  local key = prefix .. ':seen:' .. user
  if tonumber(redis.call('GET', key) or 0) < at then redis.call('SET', key, at, 'EX', ${30 * 86_400}) end
end
`;

/**
 * ARGV: leaseMs, graceMs, id, former id or ''. The former one's sessions count no longer from now on.
 * Returns what became of the former one: 0 Redis does not know it, 1 it is there, 2 it was taken for dead.
 */
const REGISTER = `${PROLOGUE}
local graceMs, id, former = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local fate = 0
if former ~= '' then
  local beat = redis.call('ZSCORE', processes, former)
  if beat then
    fate = tonumber(beat) > now - leaseMs - graceMs and 1 or 2
    redis.call('ZADD', processes, 'XX', 'LT', now - leaseMs, former)
  elseif redis.call('EXISTS', prefix .. ':swept:' .. former) == 1 then
    fate = 2
  end
end
redis.call('ZADD', processes, now, id)
return fate
`;

/**
 * ARGV: leaseMs, graceMs, id, '1' to sweep, users at most. Returns 0 when the lease has ended, else 1, then whether there may be more to sweep, then
 * the users of a dead process that are offline now.
 */
const BEAT = `${PROLOGUE}
local graceMs, id, limit = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[5])
if not is_registered(id) then return {0} end
redis.call('ZADD', processes, now, id)
if ARGV[4] ~= '1' then return {1, 0} end
local dead = redis.call('ZRANGEBYSCORE', processes, '-inf', now - leaseMs - graceMs, 'WITHSCORES', 'LIMIT', 0, 1)
if #dead == 0 then return {1, 0} end
local answer = {1, 1}
local users = redis.call('SPOP', prefix .. ':users:' .. dead[1], limit)
for _, user in ipairs(users) do
  local key = prefix .. ':user:' .. user
  local count = redis.call('HGET', key, dead[1])
  redis.call('HDEL', key, dead[1])
  if count and redis.call('EXISTS', key) == 0 then
    if count ~= '0' then see(user, tonumber(dead[2])) end
    answer[#answer + 1] = user
  end
end
if #users < limit then
  redis.call('ZREM', processes, dead[1])
  redis.call('SET', prefix .. ':swept:' .. dead[1], 1, 'EX', 86400)
end
return answer
`;

/**
 * ARGV: leaseMs, countMs, id, then for each user: name, open sessions here (-1: gone), '1' when this process has announced the user as online.
 * Returns nothing when the lease has ended; else for each user: sessions on all processes that were heard within countMs, and 1 came online, 2 went
 * offline, 0 neither.
 */
const PUT = `${PROLOGUE}
local id = ARGV[3]
if not is_registered(id) then return {} end
local counted = heard_within(tonumber(ARGV[2]))
local answer = {}
for i = 4, #ARGV, 3 do
  local user, count, announced = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2] == '1'
  local key = prefix .. ':user:' .. user
  local fields = redis.call('HGETALL', key)
  local total, before, others = 0, nil, false
  for f = 1, #fields, 2 do
    if fields[f] == id then
      before = tonumber(fields[f + 1])
    else
      others = true
      if counted[fields[f]] then total = total + tonumber(fields[f + 1]) end
    end
  end
  local change = 0
  if count < 0 then
    redis.call('HDEL', key, id)
    redis.call('SREM', prefix .. ':users:' .. id, user)
    if before and before > 0 then see(user, now) end
    if not others and (before or announced) then change = 2 end
  else
    redis.call('HSET', key, id, count)
    redis.call('SADD', prefix .. ':users:' .. id, user)
    if count == 0 and before ~= 0 then see(user, now) end
    if not others and not before and not announced then change = 1 end
    total = total + count
  end
  answer[#answer + 1] = total
  answer[#answer + 1] = change
end
return answer
`;

/** ARGV: leaseMs, users. Returns for each: 1 online or 0, and when last seen or ''. */
const OF = `${PROLOGUE}
local alive = heard_within(leaseMs)
local answer = {}
for i = 2, #ARGV do
  local online = 0
  for _, id in ipairs(redis.call('HKEYS', prefix .. ':user:' .. ARGV[i])) do
    if alive[id] then online = 1 end
  end
  answer[#answer + 1] = online
  answer[#answer + 1] = redis.call('GET', prefix .. ':seen:' .. ARGV[i]) or ''
end
return answer
`;

/** ARGV: leaseMs, id. Ends the lease: after graceMs another process sweeps the users that did not come back elsewhere. */
const END = `${PROLOGUE}
redis.call('ZADD', processes, 'XX', 'LT', now - leaseMs, ARGV[2])
`;

type Arguments = readonly (string | number)[];

/** A connection that knows the scripts. Each takes the number of keys (1) and the prefix first. */
export type WithPresence = Redis & {
  presenceRegister(...args: Arguments): Promise<0 | 1 | 2>;
  presenceBeat(...args: Arguments): Promise<readonly [0] | readonly [1, 0 | 1, ...string[]]>;
  presencePut(...args: Arguments): Promise<readonly number[]>;
  presenceOf(...args: Arguments): Promise<readonly (number | string)[]>;
  presenceEnd(...args: Arguments): Promise<void>;
};

/** Teaches a connection the scripts. */
export const withPresence = (redis: Redis): WithPresence => {
  for (const [name, lua] of Object.entries({ Register: REGISTER, Beat: BEAT, Put: PUT, Of: OF, End: END }))
    redis.defineCommand(`presence${name}`, { lua });
  return redis as WithPresence;
};
