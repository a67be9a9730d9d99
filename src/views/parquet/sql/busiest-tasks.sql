-- The ten tasks of each guest and hour (UTC) that ran longest. An hour is null where a recording does not know UTC.
-- DuckDB: set variable tables = 'DIR';
with ran as (
  select guest, date_trunc('hour', make_timestamp_ns(time)) as hour, tid, max_by(comm, ts) as comm,
         sum(dur) as run_ns, count(*) as runs
  from read_parquet(getvariable('tables') || '/sched_slice/*/*/*/*.parquet', union_by_name = true,
                    hive_types = {'date': date, 'host': varchar, 'guest': varchar})
  where tid != 0
  group by guest, hour, tid
)
select guest, hour, tid, comm, run_ns, runs
from ran
qualify row_number() over (partition by guest, hour order by run_ns desc, tid) <= 10
order by guest, hour, run_ns desc, tid;
