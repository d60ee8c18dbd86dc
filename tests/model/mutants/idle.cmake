begin_mutants(stage5 ${stage5_dir}/runtime/idle.hpp idle_explorer idle/scheduler.cpp)

mutant("no second look before polling" "while all workers sleep"
       [[stopping() || has_work();]]
       [[stopping();]])

mutant("no second look for a stop" "sleeps after stop()"
       [[stopping() || has_work();]]
       [[has_work();]])

mutant("who polls is not interrupted" "while all workers sleep"
       [[    if (count > 0 && poller_.load() == slept_in) interrupt();
]]
       [[]])

mutant("a stop wakes nobody who waits" "sleeps after stop()"
       [[wake_.notify_all();]]
       [[]])

mutant("nobody wakes sysmon" "waits for ever"
       [[if (monitor_asleep_.load() == 0) return;]]
       [[return;]])

mutant("sysmon falls asleep without looking once more" "waits for ever"
       [[if (asleep_.load() == workers_)]]
       [[]])

mutant("sysmon does not see that nobody asks the poller" "waits for ever"
       [[(needed != 0 || unasked)]]
       [[(needed != 0)]])

mutant("sysmon does not see that coroutines wait" "waits for ever"
       [[std::min(before, seen_waiting_.load());]]
       [[0;]])
