-- What was lost, by guest and CPU: events as far as the kernel counted them, how often it did not, and for how long.
-- DuckDB: set variable tables = 'DIR';
select guest, cpu, cast(coalesce(sum(count), 0) as bigint) as lost, count(*) filter (count is null) as uncounted,
       cast(sum(dur) as bigint) as lost_ns
from read_parquet(getvariable('tables') || '/lost/*/*/*/*.parquet', union_by_name = true,
                  hive_types = {'date': date, 'host': varchar, 'guest': varchar})
group by guest, cpu
order by guest, cpu;
