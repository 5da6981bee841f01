using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Web;

/// <summary>What the command line or the configuration says.</summary>
/// <param name="ModelPath">The model file, as a full path.</param>
/// <param name="TrainIfMissing">Whether to train a model where there is no file yet.</param>
/// <param name="Poll">Time between two looks at the file.</param>
/// <param name="Concurrency">Predictions at a time.</param>
/// <param name="Queue">Requests that may wait for their turn; further ones are refused with 503.</param>
/// <param name="Timeout">The longest that a request may take, its arrival included.</param>
internal sealed record WebSettings(string ModelPath, bool TrainIfMissing, TimeSpan Poll, int Concurrency, int Queue, TimeSpan Timeout)
{
    private const string DefaultModel = "support-intents.mlnet";

    /// <exception cref="ArgumentException">A value cannot be used.</exception>
    public static WebSettings Read(IConfiguration configuration)
    {
        var model = configuration["model"];
        if (model is not null && string.IsNullOrWhiteSpace(model))
            throw new ArgumentException("--model: give the path of a model file.");
        var path = Path.GetFullPath(model ?? DefaultModel);
        if (Directory.Exists(path))
            throw new ArgumentException($"--model: {path} is a folder; give the path of a model file.");
        if (!Directory.Exists(Path.GetDirectoryName(path)))
            throw new ArgumentException($"--model: the folder {Path.GetDirectoryName(path)} does not exist.");
        return new(
            path,
            TrainIfMissing: model is null,
            TimeSpan.FromSeconds(Number(configuration, "poll", 1, 0.05, 3600)),
            (int)Number(configuration, "concurrency", 2 * Environment.ProcessorCount, 1, 10_000),
            (int)Number(configuration, "queue", 1000, 0, 1_000_000),
            TimeSpan.FromSeconds(Number(configuration, "timeout", 30, 0.05, 3600)));
    }

    private static double Number(IConfiguration configuration, string key, double byDefault, double least, double most)
    {
        if (configuration[key] is not { } text)
            return byDefault;
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) || !(value >= least && value <= most))
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"--{key}: '{text}' is not a number from {least} to {most}."));
        return value;
    }
}
