using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Samples.SideBySide;

/// <summary>A line of the data: a request to a support desk and what it is about.</summary>
internal sealed class Request
{
    [LoadColumn(0)]
    public string Label { get; set; } = "";

    [LoadColumn(1)]
    public string Text { get; set; } = "";
}
