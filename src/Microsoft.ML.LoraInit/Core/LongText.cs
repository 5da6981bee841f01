using System.Globalization;

namespace Microsoft.ML.LoraInit;

/// <summary>What is read of a text that is longer than the model takes. Stored with the model, and the same in training and scoring.</summary>
/// <remarks>
/// Lengths are in tokens. The room is the maximum length without the special tokens: two around a text, four around a pair.
/// </remarks>
public sealed record LongText
{
    /// <summary>How many windows a text has at most unless said otherwise.</summary>
    public const int DefaultMostWindows = 64;

    private const string TruncateName = "truncate", HeadAndTailName = "head-and-tail", WindowsName = "windows", MostName = "most";

    private LongText(LongTextKind kind, int stride = 0, int mostWindows = 1) => (Kind, Stride, MostWindows) = (kind, stride, mostWindows);

    /// <summary>The beginning; of a pair the longer text loses tokens first, from its end. The default, and what version 0.1.0 did.</summary>
    public static LongText Truncate { get; } = new(LongTextKind.Truncate);

    /// <summary>
    /// The first quarter and the last three quarters of the room, as the 128 + 382 of 510 tokens of arXiv 1905.05583; of a pair each
    /// text that is too long for its part of the room.
    /// </summary>
    public static LongText HeadAndTail { get; } = new(LongTextKind.HeadAndTail);

    /// <summary>What is done.</summary>
    public LongTextKind Kind { get; }

    /// <summary>Tokens from one window's beginning to the next one's; 0 without windows.</summary>
    public int Stride { get; }

    /// <summary>Windows a text at most; what is beyond the last is not read.</summary>
    public int MostWindows { get; }

    /// <summary>
    /// All of it, in windows as long as the room: a text's logits are the mean of its windows' logits, and in training each window is a row
    /// with the text's label and an equal part of its weight. Of a pair the longer text is read in windows (of two equally long ones the
    /// second), beside the other in each, of which half of the room is kept at most.
    /// </summary>
    /// <param name="stride">Tokens from one window's beginning to the next one's: at most the room, and of pairs half of it. Half of the room reads every token twice.</param>
    /// <param name="mostWindows">Windows a text at most, which bounds time and memory of a text of any length.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    public static LongText Windows(int stride, int mostWindows = DefaultMostWindows)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(mostWindows, 1);
        return new(LongTextKind.Windows, stride, mostWindows);
    }

    /// <summary>Reads what <see cref="ToString"/> writes: <c>truncate</c>, <c>head-and-tail</c>, <c>windows:256</c>, <c>windows:256,most=8</c>.</summary>
    /// <exception cref="ArgumentException">It is none of these.</exception>
    public static LongText Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == TruncateName)
            return Truncate;
        if (text == HeadAndTailName)
            return HeadAndTail;
        if (text.Split(':') is [WindowsName, var numbers])
        {
            var parts = numbers.Split(',');
            if (Number(parts[0]) is { } stride && parts.Length == 1)
                return Windows(stride);
            if (parts is [_, var most] && Number(parts[0]) is { } step && most.Split('=') is [MostName, var count] && Number(count) is { } windows)
                return Windows(step, windows);
        }
        throw new ArgumentException($"'{text}' says nothing about long texts: use {TruncateName}, {HeadAndTailName} or {WindowsName}:STRIDE, such as {WindowsName}:256 or {WindowsName}:256,{MostName}=8.", nameof(text));

        static int? Number(string digits) => int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= 1 ? value : null;
    }

    /// <summary>Its name, and a stride and another number of windows than 64.</summary>
    public override string ToString() => Kind switch
    {
        LongTextKind.Windows when MostWindows != DefaultMostWindows => string.Create(CultureInfo.InvariantCulture, $"{WindowsName}:{Stride},{MostName}={MostWindows}"),
        LongTextKind.Windows => string.Create(CultureInfo.InvariantCulture, $"{WindowsName}:{Stride}"),
        LongTextKind.HeadAndTail => HeadAndTailName,
        _ => TruncateName,
    };

    /// <summary>Refuses a stride that would leave tokens between two windows unread.</summary>
    /// <exception cref="ArgumentException">It is too large.</exception>
    internal void Check(int room, bool pair)
    {
        int most = pair ? room - (room / 2) : room;
        if (Stride > most)
            throw new ArgumentException($"LongText = {this}: a window has room for {(pair ? "at least " : "")}{most} tokens of the text, so that a stride of {Stride} would leave some unread. Use at most {most}.");
    }
}

/// <summary>What <see cref="LongText"/> does.</summary>
public enum LongTextKind
{
    /// <summary>Reads the beginning.</summary>
    Truncate,

    /// <summary>Reads beginning and end.</summary>
    HeadAndTail,

    /// <summary>Reads all of it, window by window.</summary>
    Windows,
}
