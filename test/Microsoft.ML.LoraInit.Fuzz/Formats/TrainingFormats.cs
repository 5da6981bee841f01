using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Checkpointing;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fuzz.Formats;

/// <summary>The checkpoint of a training run, from which an equal run goes on.</summary>
internal sealed class TrainingFormat : FuzzFormat
{
    private readonly BaseWeights _weights;

    public TrainingFormat(Material material)
    {
        using var files = material.Base.Open(null, CancellationToken.None);
        _weights = files.LoadWeights(CPU, ScalarType.Float32);
        var folder = Path.Combine(material.Work, "training-seed");
        using (Run(folder).State)
        {
        }
        Seeds = [new Dictionary<string, byte[]> { [TrainingCheckpoint.FileName] = File.ReadAllBytes(Path.Combine(folder, TrainingCheckpoint.FileName)) }];
        Directory.Delete(folder, recursive: true);
    }

    public override string Name => "training";

    // Another run's checkpoint is refused as such; numbers spoilt so that training goes on from them may diverge.
    public override IReadOnlyList<Type> Refusals => [typeof(InvalidOperationException), typeof(TrainingDivergedException)];

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; }

    public override IReadOnlyList<string> Leaves => ["training.lock", TrainingCheckpoint.FileName];

    public override IReadOnlyDictionary<string, byte[]> Pack(IReadOnlyDictionary<string, byte[]> parts) => Checksum.Repair(parts, TrainingCheckpoint.FileName);

    public override bool Read(string folder)
    {
        using var state = Run(folder).State;
        return state.Tensors.Values.All(t => t.isfinite().all().item<bool>());
    }

    private FineTuningResult Run(string folder) => FineTuningRun.Execute(new FineTuningRequest
    {
        Settings = new() { Adapters = new() { Rank = 2 }, Schedule = new() { BatchSize = 2, MaxEpochs = 2 }, Checkpoints = new(folder) },
        Task = new MulticlassTask(2),
        Train = new TextDataset([new([0, 5, 2]), new([0, 6, 7, 2]), new([0, 8, 2]), new([0, 9, 2])], [0, 1, 0, 1], null),
        Base = _weights,
        Seed = 1,
    });
}

/// <summary>The cache of fitted factors: whatever lies there, nothing is thrown.</summary>
internal sealed class CacheFormat : FuzzFormat
{
    private readonly IReadOnlyList<AdapterTarget> _targets;
    private readonly string _file;

    public CacheFormat(Material material)
    {
        using var files = material.Base.Open(null, CancellationToken.None);
        _targets = AdapterPlanner.Plan(new AdapterSettings { Rank = 2 }, files.Config);
        using var scope = NewDisposeScope();
        var folder = Path.Combine(material.Work, "cache-seed");
        Cache(folder).Store(_targets.ToDictionary(t => t.ModuleName, t => (rand(t.Rank, t.InFeatures), rand(t.OutFeatures, t.Rank))), Fail);
        _file = Path.GetFileName(Directory.EnumerateFiles(folder).Single());
        Seeds = [new Dictionary<string, byte[]> { [_file] = File.ReadAllBytes(Path.Combine(folder, _file)) }];
        Directory.Delete(folder, recursive: true);
    }

    public override string Name => "cache";

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; }

    public override IReadOnlyDictionary<string, byte[]> Pack(IReadOnlyDictionary<string, byte[]> parts) => Checksum.Repair(parts, _file);

    public override bool Read(string folder)
    {
        using var scope = NewDisposeScope();
        string? warning = null;
        var factors = Cache(folder).Load(_targets, CPU, text => warning = text);
        return factors is null ? warning is not null : factors.Values.All(f => f.A.isfinite().all().item<bool>() && f.B.isfinite().all().item<bool>());
    }

    private FactorizationCache Cache(string folder) => new(folder, new('0', 64), _targets, "settings");

    private static void Fail(string warning) => throw new InvalidOperationException(warning);
}

/// <summary>Makes the checksum in a safetensors file's metadata right, where there is one.</summary>
internal static class Checksum
{
    public static Dictionary<string, byte[]> Repair(IReadOnlyDictionary<string, byte[]> parts, string name)
    {
        var content = (byte[])parts[name].Clone();
        var mark = "\"lorainit.sha256\":\""u8;
        int at = content.Length < 8 ? -1 : content.AsSpan(0, (int)Math.Clamp(8 + BinaryPrimitives.ReadInt64LittleEndian(content), 8, content.Length)).IndexOf(mark);
        if (at >= 0 && at + mark.Length + 64 <= content.Length)
        {
            var place = content.AsSpan(at + mark.Length, 64);
            place.Fill((byte)'0');
            Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(content))).CopyTo(place);
        }
        return new(parts, StringComparer.Ordinal) { [name] = content };
    }
}
