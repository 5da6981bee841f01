using Microsoft.ML.LoraInit.Peft;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fuzz.Formats;

/// <summary>An adapter folder of PEFT.</summary>
internal sealed class PeftFormat(Material material) : FuzzFormat
{
    private readonly RobertaCheckpoint _base = material.Base;

    public override string Name => "peft";

    // A head of other outputs than the task has is told as an option that does not fit.
    public override IReadOnlyList<Type> Refusals => [typeof(ArgumentException), typeof(NotSupportedException), typeof(FileNotFoundException)];

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; } = [Parts(material, false), Parts(material, true)];

    public override bool Read(string folder)
    {
        _ = PeftAdapter.Inspect(folder);
        using var model = PeftAdapter.Load(folder, new() { BaseModel = _base });
        return Material.Finite(model.Model.Scorer.Score(Material.Texts).SelectMany(s => s));
    }

    private static Dictionary<string, byte[]> Parts(Material material, bool dora)
    {
        using var scope = NewDisposeScope();
        using var files = material.Base.Open(null, CancellationToken.None);
        var weights = Material.Adapters(files.Config, 3, dora);
        var config = PeftWriter.Config(weights, files.Config, "mini", null);
        var folder = Path.Combine(material.Work, "peft-seed");
        PeftWriter.Write(folder, weights, config with
        {
            Settings = config.Settings with
            {
                RankPattern = new Dictionary<string, int> { ["query"] = 2 },
                AlphaPattern = new Dictionary<string, double> { ["value"] = 4, ["nothing"] = 1 },
                TargetModules = dora ? TargetModules.Matching(@".*\.(query|value)") : config.Settings.TargetModules,
            },
        });
        var parts = Directory.EnumerateFiles(folder).ToDictionary(p => Path.GetFileName(p), File.ReadAllBytes, StringComparer.Ordinal);
        Directory.Delete(folder, recursive: true);
        return parts;
    }
}
