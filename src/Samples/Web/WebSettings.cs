using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Web;

/// <summary>What the command line or the configuration says.</summary>
/// <param name="Models">The models, the one that is asked unless another is named first.</param>
/// <param name="TrainIfMissing">Whether to train a model where there is no file yet.</param>
/// <param name="Poll">Time between two looks at a file.</param>
/// <param name="Concurrency">Predictions of a model at a time.</param>
/// <param name="Queue">Requests that may wait for their turn; further ones are refused with 503.</param>
/// <param name="Rate">Requests a second that one address may make; 0 for as many as it likes.</param>
/// <param name="Timeout">The longest that a request may take, its arrival included.</param>
internal sealed record WebSettings(IReadOnlyList<ModelFile> Models, bool TrainIfMissing, TimeSpan Poll, int Concurrency, int Queue, int Rate, TimeSpan Timeout)
{
    private const string DefaultModel = "support-intents.mlnet";

    /// <exception cref="ArgumentException">A value cannot be used.</exception>
    public static WebSettings Read(IConfiguration configuration)
    {
        var models = new List<ModelFile>();
        if (configuration["model"] is { } one)
            models.Add(new(Path.GetFileNameWithoutExtension(one), FilePath("--model", one)));
        foreach (var named in configuration.GetSection("models").GetChildren())
            models.Add(new(named.Key, FilePath($"--models:{named.Key}", named.Value)));
        bool none = models.Count == 0;
        if (none)
            models.Add(new(Path.GetFileNameWithoutExtension(DefaultModel), FilePath("--model", DefaultModel)));
        if (models.GroupBy(m => m.Name, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException($"--models:{twice.Key}: there are two models of this name; give each one of its own.");
        return new(
            models,
            TrainIfMissing: none,
            TimeSpan.FromSeconds(Number(configuration, "poll", 1, 0.05, 3600)),
            (int)Number(configuration, "concurrency", 2 * Environment.ProcessorCount, 1, 10_000),
            (int)Number(configuration, "queue", 1000, 0, 1_000_000),
            (int)Number(configuration, "rate", 0, 0, 1_000_000),
            TimeSpan.FromSeconds(Number(configuration, "timeout", 30, 0.05, 3600)));
    }

    private static string FilePath(string option, string? value)
    {
        if (string.IsNullOrWhiteSpace(value))
            throw new ArgumentException($"{option}: give the path of a model file.");
        var path = Path.GetFullPath(value);
        if (Directory.Exists(path))
            throw new ArgumentException($"{option}: {path} is a folder; give the path of a model file.");
        return Directory.Exists(Path.GetDirectoryName(path)) ? path
            : throw new ArgumentException($"{option}: the folder {Path.GetDirectoryName(path)} does not exist.");
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

/// <param name="Name">By which requests and metrics name it.</param>
/// <param name="Path">Its file, as a full path.</param>
internal sealed record ModelFile(string Name, string Path);
