using Microsoft.Extensions.Logging;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit.Hosting.Telemetry;

/// <summary>Passes ML.NET's log on to the services' log, under the category <c>Microsoft.ML</c>.</summary>
internal static class MLContextLog
{
    public const string Category = "Microsoft.ML";

    public static void Attach(MLContext ml, ILogger logger) => ml.Log += (_, e) =>
    {
        var level = e.Kind switch
        {
            ChannelMessageKind.Error => LogLevel.Error,
            ChannelMessageKind.Warning => LogLevel.Warning,
            ChannelMessageKind.Info => LogLevel.Debug, // ML.NET tells of every cursor here.
            _ => LogLevel.Trace,
        };
        if (logger.IsEnabled(level))
            Write(logger, level, e.Source, e.RawMessage, null);
    };

    private static void Write(ILogger logger, LogLevel level, string source, string message, Exception? exception) =>
        logger.Log(level, default, (source, message), exception, static (said, _) => $"[{said.source}] {said.message}");
}
