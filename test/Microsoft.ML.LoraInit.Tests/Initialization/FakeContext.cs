using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>A context over given matrices instead of a model and a data set.</summary>
internal sealed class FakeContext(IReadOnlyList<AdapterTarget> targets, int seed = 0) : InitializationContext
{
    public Dictionary<string, Tensor> Weights { get; init; } = [];

    public Dictionary<string, Tensor> Inputs { get; init; } = [];

    public Dictionary<string, Tensor> LossGradients { get; init; } = [];

    public Func<int, IReadOnlyDictionary<string, (Tensor A, Tensor B)>>? PreheatRun { get; init; }

    /// <summary>The inputs' rows a visit gets at once.</summary>
    public int RowsAtOnce { get; init; } = int.MaxValue;

    public List<string> Messages { get; } = [];

    public CancellationTokenSource Cancellation { get; } = new();

    public override IReadOnlyList<AdapterTarget> Targets => targets;

    public Device Place { get; init; } = CPU;

    public override Device Device => Place;

    public override int Seed => seed;

    public override CancellationToken CancellationToken => Cancellation.Token;

    public override string BaseSha256 => "fake";

    public override Tensor Weight(AdapterTarget target) => Weights[target.ModuleName];

    /// <summary>Tokens a row of text; the whole of a visit by default.</summary>
    public int RowLength { get; init; } = int.MaxValue;

    public override void VisitActivations(int batchSize, int? batches, int passes, ActivationVisitor visit)
    {
        var rows = Inputs.Values.Max(x => x.shape[0]);
        for (int pass = 0; pass < passes; pass++)
        {
            for (long start = 0, batch = 0; start < rows && batch < (batches ?? long.MaxValue); start += RowsAtOnce, batch++)
            {
                foreach (var target in targets)
                {
                    using var scope = NewDisposeScope();
                    var x = Inputs[target.ModuleName];
                    var count = Math.Min(RowsAtOnce, x.shape[0] - start);
                    if (!visit(target, x.narrow(0, start, count), Lengths((int)count)))
                        return;
                }
            }
        }
    }

    private List<int> Lengths(int count)
    {
        var lengths = new List<int>();
        for (int left = count; left > 0; left -= lengths[^1])
            lengths.Add(Math.Min(left, RowLength));
        return lengths;
    }

    public Dictionary<string, Tensor> Biases { get; init; } = [];

    public override Tensor? Bias(AdapterTarget target) => Biases.GetValueOrDefault(target.ModuleName);

    public List<string> Logged { get; } = [];

    public override void Log(string message) => Logged.Add(message);

    public override IReadOnlyDictionary<string, Tensor> Gradients(int batchSize, int batches, bool dropout) => LossGradients;

    public override IReadOnlyDictionary<string, (Tensor A, Tensor B)> Preheat(int rank, double alpha, int steps, double learningRate, int batchSize) =>
        PreheatRun!(rank);

    public List<string> Warnings { get; } = [];

    public override void Warn(string message) => Warnings.Add(message);

    public override void Report(string message, long step, long total)
    {
        Messages.Add(message);
        CancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>A context with random weights, inputs and gradients for some layers.</summary>
    public static FakeContext Random(IReadOnlyList<AdapterTarget> targets, int seed = 0, int rows = 300)
    {
        Tensor Draw(string name, long m, long n, double deviation)
        {
            using var generator = new Generator(SeededRandom.Hash(99, name));
            return empty(m, n).normal_(0, deviation, generator);
        }

        return new FakeContext(targets, seed)
        {
            Weights = targets.ToDictionary(t => t.ModuleName, t => Draw(t.ModuleName + "/W", t.OutFeatures, t.InFeatures, 0.05)),
            Inputs = targets.ToDictionary(t => t.ModuleName, t => Draw(t.ModuleName + "/X", rows, t.InFeatures, 1)
                .mul(arange(1, t.InFeatures + 1).to(ScalarType.Float32).rsqrt())),
            LossGradients = targets.ToDictionary(t => t.ModuleName, t => Draw(t.ModuleName + "/G", t.OutFeatures, t.InFeatures, 1e-3)),
            PreheatRun = rank => targets.ToDictionary(
                t => t.ModuleName,
                t => (Draw(t.ModuleName + "/PA", rank, t.InFeatures, 1), Draw(t.ModuleName + "/PB", t.OutFeatures, rank, 1))),
        };
    }

    public static AdapterTarget Target(string name, int outFeatures, int inFeatures, int rank = 8, double? alpha = null, bool rankStabilized = false) =>
        new(name, inFeatures, outFeatures, rank, alpha ?? 2 * rank, rankStabilized);
}
