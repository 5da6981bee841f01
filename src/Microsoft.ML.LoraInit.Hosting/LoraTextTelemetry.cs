namespace Microsoft.ML.LoraInit.Hosting;

/// <summary>The names under which metrics and traces are collected.</summary>
/// <remarks>
/// Instruments, all with the tag <c>model</c>: <c>loratext.requests</c> and <c>loratext.request.duration</c> (seconds, the queue included; tags
/// <c>kind</c> = one, batch, stream, explain, and <c>outcome</c> = ok, error, cancelled, rejected, unavailable), <c>loratext.rows</c>,
/// <c>loratext.batch.size</c> (rows of a call), <c>loratext.queue.length</c>, <c>loratext.queue.duration</c> (seconds),
/// <c>loratext.reloads</c> and <c>loratext.reload.duration</c> (seconds; tag <c>outcome</c> = ok, refused), <c>loratext.models</c>
/// (loaded models, the one being replaced included). How many rows of several calls met in one forward pass is
/// <c>lorainit.batch.size</c> of the meter <see cref="ScoringMeter"/>.
/// </remarks>
public static class LoraTextTelemetry
{
    /// <summary>The meter of the instruments.</summary>
    public const string Meter = "Microsoft.ML.LoraInit.Hosting";

    /// <summary>The library's own meter.</summary>
    public const string ScoringMeter = "Microsoft.ML.LoraInit";

    /// <summary>The source of the activities <c>loratext predict</c>, <c>loratext explain</c> and <c>loratext reload</c>.</summary>
    public const string ActivitySource = "Microsoft.ML.LoraInit.Hosting";
}
