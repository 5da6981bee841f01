using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>All that a run's page is made of.</summary>
internal sealed record RunFacts
{
    /// <summary>The heading.</summary>
    public required string Title { get; init; }

    /// <summary>A sentence below it.</summary>
    public required string Lead { get; init; }

    /// <summary>What was learnt.</summary>
    public required TaskKind Kind { get; init; }

    /// <summary>Names of the classes or labels, <c>false</c> and <c>true</c> for yes or no; empty for numbers.</summary>
    public required IReadOnlyList<string> Classes { get; init; }

    /// <summary>The figures of all rows.</summary>
    public required RunReport Report { get; init; }

    /// <summary>How the training went; null where the model does not tell.</summary>
    public TrainingHistory? History { get; init; }

    /// <summary>Loss by step, as reported while the run went on; empty afterwards.</summary>
    public IReadOnlyList<(long Step, double Loss)> Losses { get; init; } = [];

    /// <summary>The rows judged; empty without labelled rows.</summary>
    public IReadOnlyList<JudgedRow> Rows { get; init; } = [];

    /// <summary>Bins of the reliability plot, and what they are of.</summary>
    public (IReadOnlyList<CalibrationBin> Bins, string Of)? Reliability { get; init; }

    /// <summary>Explains an error: parts of the text in order, each with what it added to the answer given; null for no explanations.</summary>
    public Func<JudgedRow, IReadOnlyList<(string Text, double Part)>>? Explain { get; init; }

    /// <summary>Names and values of what was set.</summary>
    public required IReadOnlyList<(string Name, string Value)> Settings { get; init; }
}
