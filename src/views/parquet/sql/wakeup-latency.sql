-- From a wake-up until the task runs, by guest. Waits that a loss cut are not in the table; `cut` ones last at least so long.
-- DuckDB: set variable tables = 'DIR';
select guest, count(*) as wakeups, quantile_disc(dur, 0.5) as p50_ns, quantile_disc(dur, 0.99) as p99_ns,
       max(dur) as max_ns, sum(dur) as sum_ns
from read_parquet(getvariable('tables') || '/wakeup/*/*/*/*.parquet', union_by_name = true,
                  hive_types = {'date': date, 'host': varchar, 'guest': varchar})
where not cut
group by guest
order by guest;
