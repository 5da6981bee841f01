using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks;

/// <summary>
/// A context with made-up inputs and gradients: strategies are measured by themselves, without the passes over data that a
/// real context would make for them.
/// </summary>
internal sealed class BenchmarkContext(Matrices matrices) : InitializationContext
{
    private const int Rows = 1024;

    private readonly Dictionary<string, Tensor> _gradients = matrices.Targets.ToDictionary(
        t => t.ModuleName, t => Matrices.Random(t.ModuleName + "/G", matrices.Seed, 1e-3, matrices.Device, t.OutFeatures, t.InFeatures));

    // Inputs of real layers have a falling spectrum.
    private readonly Dictionary<string, Tensor> _inputs = matrices.Targets.ToDictionary(
        t => t.ModuleName, t => Matrices.Random(t.ModuleName + "/X", matrices.Seed, 1, matrices.Device, Rows, t.InFeatures)
            .mul(arange(1, t.InFeatures + 1).to(ScalarType.Float32).rsqrt().to(matrices.Device)));

    public override IReadOnlyList<AdapterTarget> Targets => matrices.Targets;

    public override Device Device => matrices.Device;

    public override int Seed => matrices.Seed;

    public override CancellationToken CancellationToken => CancellationToken.None;

    public override string BaseSha256 => matrices.Sha256;

    public override Tensor Weight(AdapterTarget target) => matrices.Weights[target.ModuleName].clone();

    public override void VisitActivations(int batchSize, int? batches, int passes, ActivationVisitor visit)
    {
        const int AtOnce = 256;
        int[] lengths = [.. Enumerable.Repeat(32, AtOnce / 32)];
        long seen = passes * Math.Min(Rows, (long)(batches ?? int.MaxValue) * AtOnce);
        for (long start = 0; start < seen; start += AtOnce)
        {
            foreach (var target in Targets)
            {
                using var scope = NewDisposeScope();
                if (!visit(target, _inputs[target.ModuleName].narrow(0, start % Rows, AtOnce), lengths))
                    return;
            }
        }
    }

    public override IReadOnlyDictionary<string, Tensor> Gradients(int batchSize, int batches, bool dropout) => _gradients;

    public override IReadOnlyDictionary<string, (Tensor A, Tensor B)> Preheat(int rank, double alpha, int steps, double learningRate, int batchSize) =>
        Targets.ToDictionary(t => t.ModuleName, t => (
            Matrices.Random(t.ModuleName + "/A", Seed, 1, Device, rank, t.InFeatures),
            Matrices.Random(t.ModuleName + "/B", Seed, 1, Device, t.OutFeatures, rank)));

    public override void Warn(string message) => Console.Error.WriteLine(message);

    public override void Report(string message, long step, long total)
    {
    }
}
