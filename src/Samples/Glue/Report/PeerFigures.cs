using System.Text.Json;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>A run of Python's PEFT, as its file holds it.</summary>
/// <param name="Base">The base model, such as <c>roberta-medium-8k</c>, or <c>medium</c> for short.</param>
/// <param name="Task">The task, such as <c>CoLA</c>; <c>QNLI-10k</c> is QNLI on the file <c>train_10k.tsv</c>.</param>
/// <param name="Init"><c>lora</c>, <c>ft</c> for full fine-tuning, <c>dora</c>, <c>rslora</c>, or the name of an initialisation.</param>
/// <param name="Lr">The learning rate.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Epochs">Passes over the data.</param>
/// <param name="Best">The task's metric at the best epoch, a fraction.</param>
/// <param name="Rank">The rank; 8 where the file does not say.</param>
internal sealed record PeerRun(string Base, string Task, string Init, double Lr, int Seed, int Epochs, double Best, int Rank = PeerRun.DefaultRank)
{
    public const int DefaultRank = 8;
}

/// <summary>PEFT's mean over its seeds, at the rate selected by the rule that ours are selected by.</summary>
internal sealed record PeerCell(double Rate, Spread Spread, int Epochs);

/// <summary>What PEFT reaches on the same base model and data, to stand beside our rows.</summary>
internal sealed class PeerFigures(IReadOnlyList<PeerRun> runs)
{
    private const string TenThousand = "-10k";
    private const string TenThousandFile = "train_10k.tsv";

    public static readonly PeerFigures None = new([]);

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true };

    /// <exception cref="RunFileException">A file is missing, or is no list of runs.</exception>
    public static PeerFigures Read(IEnumerable<string> paths) => new([.. paths.SelectMany(Read)]);

    /// <summary>The figure for a configuration of ours, or null where PEFT has none for the same base, task, data, method and rank.</summary>
    public PeerCell? For(RunConfig config, RunData? data)
    {
        if (config.TrainRows is not null || config.DevRows is not null)
            return null;
        var tenThousand = data is not null && Path.GetFileName(data.TrainFile) == TenThousandFile;
        var same = runs.Where(p => ShortName(p.Base) == ShortName(config.BaseModel)
            && TaskOf(p) == (config.Task, tenThousand) && StrategyOf(p) == (config.Method, config.Initialization)
            && (config.Rank == 0 || p.Rank == config.Rank)).ToArray();
        RateResult[] rates = [.. same.GroupBy(p => p.Lr).OrderBy(g => g.Key).Select(g => new RateResult(g.Key, g.GroupBy(p => p.Seed).ToDictionary(s => s.Key, s => s.Max(p => p.Best)), []))];
        return RateSelection.Best(rates) is { } best ? new(best.Rate, best.Spread, same.Where(p => p.Lr.Equals(best.Rate)).Max(p => p.Epochs)) : null;
    }

    private static PeerRun[] Read(string path)
    {
        try
        {
            var read = JsonSerializer.Deserialize<PeerRun[]>(File.ReadAllText(path), Json) ?? throw new RunFileException(path, "is empty.");
            foreach (var run in read)
                _ = TaskOf(run);
            return read;
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new RunFileException(path, $"is no list of PEFT's runs: {e.Message}", e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new RunFileException(path, "does not exist; --peers takes a JSON file with PEFT's runs.", e);
        }
    }

    private static (string Task, bool TenThousand) TaskOf(PeerRun run)
    {
        var less = run.Task.EndsWith(TenThousand, StringComparison.OrdinalIgnoreCase);
        return (GlueTask.Parse(less ? run.Task[..^TenThousand.Length] : run.Task).Name, less);
    }

    private static (string Method, string Initialization) StrategyOf(PeerRun run) => run.Init switch
    {
        "ft" => ("full", Methods.NoInitialization),
        Methods.Lora or Methods.Dora or Methods.RankStabilized => (run.Init, "kaiming"),
        _ => (Methods.Lora, run.Init),
    };

    // "mini" is the embedded roberta-mini-8k, whose files may as well be given as a folder.
    private static string ShortName(string baseModel)
    {
        var name = baseModel.TrimEnd('/', '\\').Split('/', '\\')[^1].ToLowerInvariant();
        return name is "mini" or "medium" ? $"roberta-{name}-8k" : name;
    }
}
