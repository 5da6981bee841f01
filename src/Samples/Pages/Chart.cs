namespace Microsoft.ML.LoraInit.Samples.Pages;

/// <summary>A chart as the page's script draws it.</summary>
/// <param name="Series">What is drawn, the first in front.</param>
/// <param name="X">The axis along the bottom.</param>
/// <param name="Y">The axis at the left.</param>
internal sealed record Chart(IReadOnlyList<Series> Series, Axis X, Axis Y)
{
    /// <summary>Pixels.</summary>
    public int Height { get; init; } = 260;
}

/// <summary>Bars, a line or points.</summary>
/// <param name="Name">In the legend, which there is from two series on.</param>
/// <param name="Kind">How it is drawn.</param>
/// <param name="Points">x and y; over an axis of <see cref="Axis.Labels"/> x is a label's number. A y of null is a gap.</param>
internal sealed record Series(string Name, SeriesKind Kind, IReadOnlyList<double?[]> Points)
{
    /// <summary>Which of the page's colours; null for a quiet one, of what others are held against.</summary>
    public int? Colour { get; init; }

    /// <summary>The points' y as tooltips show it; null for the number.</summary>
    public IReadOnlyList<string>? Texts { get; init; }
}

/// <summary>How a series is drawn; the page's script knows these names.</summary>
[System.Text.Json.Serialization.JsonConverter(typeof(System.Text.Json.Serialization.JsonStringEnumConverter<SeriesKind>))]
internal enum SeriesKind
{
    /// <summary>Bars, those of a label beside one another.</summary>
    Bar,

    /// <summary>A line with points.</summary>
    Line,

    /// <summary>A thin line without points, of what goes up and down.</summary>
    Thin,

    /// <summary>A dashed line.</summary>
    Dashed,

    /// <summary>Points alone.</summary>
    Dots,
}

/// <summary>An axis.</summary>
/// <param name="Title">May be empty.</param>
/// <param name="Least">Where it begins; null for where the values do.</param>
/// <param name="Most">Where it ends; null for where the values do.</param>
/// <param name="Labels">What stands along it in place of numbers; null for numbers.</param>
internal sealed record Axis(string Title, double? Least = null, double? Most = null, IReadOnlyList<string>? Labels = null)
{
    /// <summary>From 0 to 1.</summary>
    public static Axis Share(string title) => new(title, 0, 1);
}
