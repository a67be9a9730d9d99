/*
 * When the runtime compiles a function: variables of the engine.
 */

/* A function is compiled when it is hot, also where few of its branches were taken: the splice loop's are failures. */
static const char no_compile_delay[] = "BUN_JSC_maximumOptimizationDelay=0";
/* What reads a recording is mostly over before the compiler's last tier pays: it comes at four times the runtime's
   count. So it does in an agent, which spends its time in the kernel. */
static const char late_last_tier[] = "BUN_JSC_thresholdForFTLOptimizeAfterWarmUp=400000";
/* The tiers before that at ten times the runtime's count, in commands of the host: they are mostly over before compiled
   code pays, and a loop that runs for long reaches either within a millisecond. Not in a recorder that goes on for days:
   what it does a few times a second would never be compiled. */
static const char late_middle_tier[] = "BUN_JSC_thresholdForOptimizeAfterWarmUp=10000";
static const char late_first_tier[] = "BUN_JSC_thresholdForJITAfterWarmUp=5000";
