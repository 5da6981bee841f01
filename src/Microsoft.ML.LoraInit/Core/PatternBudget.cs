using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>
/// The time that patterns of unknown origin may take together: those that cannot be matched in linear time could otherwise
/// keep a process busy for hours.
/// </summary>
/// <param name="clock">What tells the time spent; null for that of the process.</param>
internal sealed class PatternBudget(Func<TimeSpan>? clock = null)
{
    /// <summary>How long one match may take at most before it is broken off.</summary>
    public static readonly TimeSpan Single = TimeSpan.FromMilliseconds(300);

    private static readonly TimeSpan Total = TimeSpan.FromMilliseconds(500);

    private long _ticks;

    /// <summary>Runs one match at the budget's cost. What was broken off on a machine that had no time for it begins again.</summary>
    /// <exception cref="ArgumentException">The budget is spent; the message names the pattern.</exception>
    public T Spend<T>(string pattern, Func<T> match)
    {
        RegexMatchTimeoutException? brokenOff = null;
        while (TimeSpan.FromTicks(Volatile.Read(ref _ticks)) <= Total)
        {
            var (started, used) = (Stopwatch.GetTimestamp(), Used());
            try
            {
                return match();
            }
            catch (RegexMatchTimeoutException e)
            {
                brokenOff = e;
            }
            finally
            {
                // Neither the time in which other processes ran nor that of this one's other threads.
                var (passed, spent) = (Stopwatch.GetElapsedTime(started), Used() - used);
                Interlocked.Add(ref _ticks, (clock is null && passed < spent ? passed : spent).Ticks);
            }
        }
        throw new ArgumentException(
            $"The expression \"{pattern}\" takes too long to match layer names: write it without nested repetitions and back references, or name the layers.", brokenOff);
    }

    private TimeSpan Used() => clock?.Invoke() ?? Environment.CpuUsage.TotalTime;
}
