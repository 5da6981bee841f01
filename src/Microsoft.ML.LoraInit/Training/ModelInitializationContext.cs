using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>
/// The context over a real model, adapters not yet on, and its training rows. Rows are drawn in an order that depends
/// on the seed alone. Passes compute in the base's precision; what they hand out is fp32.
/// </summary>
internal sealed class ModelInitializationContext : InitializationContext, IDisposable
{
    private readonly RobertaClassifier _model;
    private readonly Dictionary<string, Linear> _linears;
    private readonly TextTask? _task;
    private readonly TextDataset? _data;
    private readonly ProgressReporter _reporter;
    private readonly Dictionary<(int BatchSize, int Batches, bool Dropout), IReadOnlyDictionary<string, Tensor>> _gradients = [];

    /// <param name="model">The model without adapters, its head initialised.</param>
    /// <param name="targets">The layers to initialise.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="reporter">Receives progress.</param>
    /// <param name="cancellation">Ends whatever is computed.</param>
    /// <param name="task">Gives the loss; null without data.</param>
    /// <param name="data">Training rows, or null: then only strategies that need none work.</param>
    public ModelInitializationContext(RobertaClassifier model, IReadOnlyList<AdapterTarget> targets, int seed, ProgressReporter reporter, CancellationToken cancellation, TextTask? task = null, TextDataset? data = null)
    {
        _model = model;
        _linears = model.Linears.ToDictionary(l => l.Name, StringComparer.Ordinal);
        _reporter = reporter;
        _task = task;
        _data = data;
        Targets = targets;
        Seed = seed;
        CancellationToken = cancellation;
    }

    public override IReadOnlyList<AdapterTarget> Targets { get; }

    public override Device Device => _model.Device;

    public override int Seed { get; }

    public override CancellationToken CancellationToken { get; }

    /// <inheritdoc/>
    public override void Warn(string message) => _reporter.Warn(message);

    public override string BaseSha256 => _model.Base.Identity.Sha256;

    internal override ScalarType WeightType => _model.Base.DType;

    /// <inheritdoc/>
    /// <remarks>A copy in the caller's scope, so that working in place does not reach the shared base.</remarks>
    public override Tensor Weight(AdapterTarget target)
    {
        using var noGrad = no_grad();
        var weight = _linears[target.ModuleName].Weight;
        return weight.Quantized?.Dequantize() ?? weight.Value.to(ScalarType.Float32, true);
    }

    public override Tensor? Bias(AdapterTarget target)
    {
        using var noGrad = no_grad();
        return _linears[target.ModuleName].Bias.Value.to(ScalarType.Float32, true);
    }

    public override Tensor OriginalWeight(AdapterTarget target)
    {
        using var noGrad = no_grad();
        return _model.Base.Original($"{target.ModuleName}.weight");
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The visitor may not change the tensor, and detaches from every scope what it keeps. Once it has returned false it
    /// is not called again, not even for the other targets on the same batch. Layers with one input (query, key and
    /// value) get the same tensor object.
    /// </remarks>
    public override void VisitActivations(int batchSize, int? batches, int passes, ActivationVisitor visit)
    {
        using var noGrad = no_grad();
        for (int pass = 0; pass < passes && Pass(pass, batchSize, batches, visit); pass++)
        {
        }
    }

    private bool Pass(int pass, int batchSize, int? batches, ActivationVisitor visit)
    {
        var (task, data) = Data();
        var targets = Targets.ToDictionary(t => t.ModuleName, StringComparer.Ordinal);
        var plan = Plan(data, batchSize, pass);
        plan = [.. plan.Take(batches ?? plan.Count)];
        using var queue = new BatchQueue(data, plan, task, _model.Config.PadTokenId, Device);
        bool wanted = true;
        for (int i = 0; i < plan.Count && wanted; i++)
        {
            Report("Reading the layers' inputs on training rows", i, plan.Count);
            using var scope = NewDisposeScope();
            using var batch = queue.Take();
            var tokens = batch.Inputs.AttentionMask?.reshape(-1).nonzero().squeeze(1);
            var lengths = Lengths(batch.Inputs);
            (Tensor? Source, Tensor? Rows) last = default;
            _model.Encode(batch.Inputs, new ForwardContext
            {
                OnLinearInput = (linear, x) =>
                {
                    if (!wanted || !targets.TryGetValue(linear.Name, out var target))
                        return;
                    if (!ReferenceEquals(last.Source, x))
                        last = (x, TokenRows(x, tokens));
                    using var visitScope = NewDisposeScope();
                    wanted = visit(target, last.Rows!, lengths);
                },
            });
        }
        return wanted;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Without dropout the gradient is the loss's own; batches beyond one pass over the rows are not repeated.
    /// The result stays this context's and lives as long as it does.
    /// </remarks>
    public override IReadOnlyDictionary<string, Tensor> Gradients(int batchSize, int batches, bool dropout)
    {
        if (!_gradients.TryGetValue((batchSize, batches, dropout), out var gradients))
            _gradients[(batchSize, batches, dropout)] = gradients = ComputeGradients(batchSize, batches, dropout);
        return gradients;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// AdamW at a constant rate without decay, gradients clipped at norm 1, the model's own dropout; A starts
    /// Kaiming-uniform, B at zero. The factors belong to the caller's scope.
    /// </remarks>
    public override IReadOnlyDictionary<string, (Tensor A, Tensor B)> Preheat(int rank, double alpha, int steps, double learningRate, int batchSize)
    {
        var (task, data) = Data();
        return new Preheating(_model, this, task, data).Run(rank, alpha, steps, learningRate, batchSize, epoch => Plan(data, batchSize, epoch));
    }

    public override void Report(string message, long step, long total)
    {
        CancellationToken.ThrowIfCancellationRequested();
        CudaGate.StepAside();
        _reporter.ReportIfDue(() => new TrainingProgress { Phase = TrainingPhase.Initializing, Message = message, Step = step, TotalSteps = total });
    }

    public override void Log(string message) => _reporter.Log(message);

    public void Dispose()
    {
        foreach (var tensor in _gradients.Values.SelectMany(g => g.Values))
            tensor.Dispose();
        _gradients.Clear();
    }

    private Dictionary<string, Tensor> ComputeGradients(int batchSize, int batches, bool dropout)
    {
        var (task, data) = Data();
        var plan = Plan(data, batchSize, 0).Take(batches).ToArray();
        var linears = Targets.Select(t => _linears[t.ModuleName]).ToArray();
        var frozen = linears.Select(l => l.Weight.Value).ToArray();
        using var scope = NewDisposeScope();
        var sums = linears.Select(l => zeros(l.Weight.Shape, ScalarType.Float32, Device)).ToArray();
        try
        {
            using var grad = enable_grad();
            using var queue = new BatchQueue(data, plan, task, _model.Config.PadTokenId, Device);
            for (int i = 0; i < plan.Length; i++)
            {
                Report("Computing gradients of the training loss", i, plan.Length);
                using var batchScope = NewDisposeScope();
                using var batch = queue.Take();
                // A detached alias as the leaf: the shared weight itself never requires a gradient, and nothing is copied.
                var leaves = Array.ConvertAll(frozen, w => w.detach().requires_grad_(true));
                for (int j = 0; j < linears.Length; j++)
                    linears[j].Weight.Bind(leaves[j]);
                using var masks = dropout ? KernelDropout.FromSeed(SeededRandom.Hash(Seed, $"initialization dropout/{i}"), Device) : null;
                task.Loss(_model.forward(batch.Inputs, new ForwardContext { Dropout = masks }), batch.Targets, batch.Weights).backward();
                using var noGrad = no_grad();
                for (int j = 0; j < linears.Length; j++)
                    sums[j].Add_(leaves[j].grad!.to(ScalarType.Float32), 1.0 / plan.Length);
            }
        }
        finally
        {
            for (int j = 0; j < linears.Length; j++)
                linears[j].Weight.Bind(frozen[j]);
        }
        return Targets.Zip(sums).ToDictionary(p => p.First.ModuleName, p => p.Second.DetachFromDisposeScope(), StringComparer.Ordinal);
    }

    private static int[] Lengths(EncodedBatch batch)
    {
        if (batch.AttentionMask is null)
            return [.. Enumerable.Repeat((int)batch.Length, (int)batch.Rows)];
        using var scope = NewDisposeScope();
        return [.. batch.AttentionMask.sum(1).cpu().data<long>().Select(n => (int)n)];
    }

    /// <summary>[batch, length, in] → fp32 [tokens, in].</summary>
    private static Tensor TokenRows(Tensor x, Tensor? tokens)
    {
        var rows = x.reshape(-1, x.shape[^1]);
        return (tokens is null ? rows : rows.index_select(0, tokens)).to(ScalarType.Float32);
    }

    private IReadOnlyList<int[]> Plan(TextDataset data, int batchSize, int epoch) =>
        BatchPlanner.Shuffled([.. data.Texts.Select(t => t.Length)], batchSize, unchecked((int)SeededRandom.Hash(Seed, "initialization data")), epoch);

    private (TextTask Task, TextDataset Data) Data() => _task is not null && _data is { Count: > 0 }
        ? (_task, _data)
        : throw new InvalidOperationException("This initialisation needs training data (activations, gradients or a short training), and there is none here. Give data, or choose a strategy that needs only the weights.");
}
