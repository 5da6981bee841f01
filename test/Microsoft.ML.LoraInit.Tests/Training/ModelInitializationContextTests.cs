using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Initialization;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Training;

[TestClass]
public sealed class ModelInitializationContextTests : IDisposable
{
    private static readonly MulticlassTask Task3 = new(3);

    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();
    private readonly RobertaClassifier _model;
    private readonly IReadOnlyList<AdapterTarget> _targets;
    private readonly TextDataset _rows = ToyRun.Rows(22, Task3, 11);

    public ModelInitializationContextTests()
    {
        _model = new RobertaClassifier(ToyRun.Base, 3, HeadInitializer.Create(ToyRun.Base.Config, 3, 1, CPU));
        _targets = AdapterPlanner.Plan(new AdapterSettings { TargetModules = TargetModules.AllLinear, LayersToTransform = [0, 3] }, _model.Config);
    }

    public void Dispose()
    {
        _model.Dispose();
        _scope.Dispose();
    }

    [TestMethod]
    public void AWeightIsACopyInFp32()
    {
        using var context = Context();
        var name = $"{_targets[0].ModuleName}.weight";
        var before = ToyRun.Base[name].data<float>().ToArray();
        var weight = context.Weight(_targets[0]);
        CollectionAssert.AreEqual(before, weight.data<float>().ToArray());
        weight.zero_();
        CollectionAssert.AreEqual(before, ToyRun.Base[name].data<float>().ToArray());
    }

    [TestMethod]
    public void EveryTokenOfEveryRowIsSeenOnceAndPaddingNever()
    {
        using var context = Context();
        var tokens = _rows.Texts.Sum(t => t.Length);
        var seen = _targets.ToDictionary(t => t.ModuleName, _ => 0L);
        context.VisitActivations(8, null, (target, x) =>
        {
            Assert.AreEqual(ScalarType.Float32, x.dtype);
            Assert.AreEqual(target.InFeatures, x.shape[1]);
            seen[target.ModuleName] += x.shape[0];
            return true;
        });
        foreach (var (name, count) in seen)
            Assert.AreEqual(tokens, count, name);
    }

    [TestMethod]
    public void InputsAreThoseOfTheUnpaddedRows()
    {
        // Row by row there is no padding; the sum over all tokens must be the same.
        var target = _targets.Single(t => t.ModuleName == "roberta.encoder.layer.3.output.dense");
        double[] Sum(int batchSize)
        {
            using var context = Context();
            var sum = zeros(target.InFeatures, ScalarType.Float64);
            context.VisitActivations(batchSize, null, (visited, x) =>
            {
                if (visited == target)
                    sum.add_(x.to(ScalarType.Float64).sum([0L]));
                return true;
            });
            return sum.data<double>().ToArray();
        }
        var (alone, together) = (Sum(1), Sum(16));
        for (int i = 0; i < alone.Length; i++)
            Assert.AreEqual(alone[i], together[i], 1e-3 + 1e-4 * Math.Abs(alone[i]));
    }

    [TestMethod]
    public void RowsAreToldApartAndPassesGoRoundInAnotherOrder()
    {
        using var context = Context();
        var (lengths, first) = (new List<int>(), new List<float>());
        context.VisitActivations(8, null, 2, (target, x, rows) =>
        {
            if (target == _targets[0])
            {
                Assert.AreEqual(x.shape[0], rows.Sum());
                lengths.AddRange(rows);
                first.Add(x.sum().item<float>());
            }
            return true;
        });
        CollectionAssert.AreEquivalent(_rows.Texts.Concat(_rows.Texts).Select(t => t.Length).ToArray(), lengths);
        CollectionAssert.AreNotEqual(first.Take(first.Count / 2).ToArray(), first.Skip(first.Count / 2).ToArray());
    }

    [TestMethod]
    public void DropoutIsInTheGradientWhereItIsAskedFor()
    {
        // The embedded model has none of its own.
        var weights = ToyRun.Base.Names.ToDictionary(n => n, n => ToyRun.Base[n].clone(), StringComparer.Ordinal);
        using var dropping = new BaseWeights(ToyRun.Base.Config with { HiddenDropout = 0.1 }, ToyRun.Base.Identity, weights);
        using var model = new RobertaClassifier(dropping, 3, HeadInitializer.Create(dropping.Config, 3, 1, CPU));
        ModelInitializationContext Over() => new(model, _targets, 1, new ProgressReporter(null, null), default, Task3, _rows);
        using var context = Over();
        using var again = Over();
        var (plain, dropped) = (context.Gradients(8, 2, false), context.Gradients(8, 2, true));
        var name = _targets[0].ModuleName;
        Assert.IsTrue(Compare.Relative(dropped[name], plain[name]) > 1e-3);
        Compare.Below(1e-5, Compare.Relative(again.Gradients(8, 2, true)[name], dropped[name]), "The seed decides the masks");
    }

    [TestMethod]
    public void APassEndsAfterItsBatchesOrWhenTheVisitorHasEnough()
    {
        using var context = Context();
        int calls = 0;
        context.VisitActivations(8, 2, (_, _) => ++calls > 0);
        Assert.AreEqual(2 * _targets.Count, calls);
        calls = 0;
        context.VisitActivations(8, null, (_, _) => ++calls < 3);
        Assert.AreEqual(3, calls);
    }

    [TestMethod]
    public void GradientsAreThoseOfTheMeanLoss()
    {
        using var context = Context();
        // 3 batches of 8, 8 and 6 rows, averaged over the batches.
        var gradients = context.Gradients(8, 100, false);
        Assert.AreSame(gradients, context.Gradients(8, 100, false));
        CollectionAssert.AreEquivalent(_targets.Select(t => t.ModuleName).ToArray(), gradients.Keys.ToArray());

        // Finite differences along the gradient: (L(W + εG/‖G‖) − L(W − εG/‖G‖)) / 2ε = ‖G‖.
        foreach (var target in new[] { _targets[0], _targets[^1] })
        {
            var gradient = gradients[target.ModuleName];
            var norm = linalg.norm(gradient).item<float>();
            const double epsilon = 0.02;
            var slope = (LossWith(target, gradient * (epsilon / norm)) - LossWith(target, gradient * (-epsilon / norm))) / (2 * epsilon);
            Assert.AreEqual(norm, slope, 0.02 * norm, target.ModuleName);
        }
    }

    [TestMethod]
    public void GradientsLeaveTheModelAsItWas()
    {
        using var context = Context();
        var before = Logits();
        context.Gradients(8, 2, false);
        CollectionAssert.AreEqual(before, Logits());
        Assert.IsTrue(ToyRun.Base.Tensors.Values.All(t => !t.requires_grad));
    }

    [TestMethod]
    public void PreheatingLearnsAndLeavesTheModelAsItWas()
    {
        using var context = Context();
        var before = Logits();
        var factors = context.Preheat(rank: 6, alpha: 12, steps: 7, learningRate: 1e-3, batchSize: 8);
        CollectionAssert.AreEqual(before, Logits());
        Assert.IsTrue(_model.Linears.All(l => l.Adapter is null));
        foreach (var target in _targets)
        {
            var (a, b) = factors[target.ModuleName];
            CollectionAssert.AreEqual(new long[] { 6, target.InFeatures }, a.shape);
            CollectionAssert.AreEqual(new long[] { target.OutFeatures, 6 }, b.shape);
            Assert.IsTrue(b.abs().max().item<float>() > 1e-4, $"B of {target.ModuleName} has not moved from zero.");
        }

        using var again = Context();
        var same = again.Preheat(6, 12, 7, 1e-3, 8);
        CollectionAssert.AreEqual(factors[_targets[2].ModuleName].B.data<float>().ToArray(), same[_targets[2].ModuleName].B.data<float>().ToArray());
    }

    [TestMethod]
    public void WithoutDataItSaysSo()
    {
        using var context = new ModelInitializationContext(_model, _targets, 1, new ProgressReporter(null, null), default);
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => context.Gradients(8, 1, false));
        StringAssert.Contains(e.Message, "training data");
        Assert.ThrowsExactly<InvalidOperationException>(() => context.VisitActivations(8, 1, (_, _) => true));
    }

    [TestMethod]
    public void CancellingEndsEachPass()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        using var context = new ModelInitializationContext(_model, _targets, 1, new ProgressReporter(null, null), source.Token, Task3, _rows);
        Assert.ThrowsExactly<OperationCanceledException>(() => context.Gradients(8, 1, false));
        Assert.ThrowsExactly<OperationCanceledException>(() => context.VisitActivations(8, 1, (_, _) => true));
        var before = Logits();
        Assert.ThrowsExactly<OperationCanceledException>(() => context.Preheat(4, 4, 2, 1e-3, 8));
        CollectionAssert.AreEqual(before, Logits());
        Assert.IsTrue(_model.Linears.All(l => l.Adapter is null));
    }

    private ModelInitializationContext Context() => new(_model, _targets, 1, new ProgressReporter(null, null), default, Task3, _rows);

    private float[] Logits() => Validation.Logits(_model, _rows, Task3, 8, _ => { }).SelectMany(l => l).ToArray();

    /// <summary>The mean over the same batches of the mean loss, with one weight shifted.</summary>
    private double LossWith(AdapterTarget target, Tensor shift)
    {
        var weight = _model.Linears.Single(l => l.Name == target.ModuleName).Weight;
        var original = weight.Value;
        using var noGrad = no_grad();
        weight.Bind(original + shift);
        var logits = Validation.Logits(_model, _rows, Task3, 8, _ => { });
        weight.Bind(original);
        var plan = BatchPlanner.Shuffled([.. _rows.Texts.Select(t => t.Length)], 8, unchecked((int)SeededRandom.Hash(1, "initialization data")), 0);
        return plan.Average(rows => Task3.LossOf(Task3.Evaluate([.. rows.Select(i => logits[i])], [.. rows.Select(i => _rows.Labels[i])], null)));
    }
}
