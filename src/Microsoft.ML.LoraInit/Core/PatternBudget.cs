using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>
/// The time that patterns of unknown origin may take together: those that cannot be matched in linear time could otherwise
/// keep a process busy for hours.
/// </summary>
internal sealed class PatternBudget
{
    /// <summary>How long one match may take at most.</summary>
    public static readonly TimeSpan Single = TimeSpan.FromMilliseconds(300);

    private static readonly TimeSpan Total = TimeSpan.FromMilliseconds(500);

    private long _ticks;

    /// <summary>Runs one match at the budget's cost.</summary>
    /// <exception cref="ArgumentException">The budget is spent; the message names the pattern.</exception>
    public T Spend<T>(string pattern, Func<T> match)
    {
        if (TimeSpan.FromTicks(Volatile.Read(ref _ticks)) > Total)
            throw Spent(pattern, null);
        var started = Stopwatch.GetTimestamp();
        try
        {
            return match();
        }
        catch (System.Text.RegularExpressions.RegexMatchTimeoutException e)
        {
            throw Spent(pattern, e);
        }
        finally
        {
            Interlocked.Add(ref _ticks, Stopwatch.GetElapsedTime(started).Ticks);
        }
    }

    private static ArgumentException Spent(string pattern, Exception? cause) =>
        new($"The expression \"{pattern}\" takes too long to match layer names: write it without nested repetitions and back references, or name the layers.", cause);
}
