using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Family;

/// <summary>BeamLoRA, ALoRA and RM-LoRA: which ranks move, against plain computations.</summary>
[TestClass]
public sealed class RankMovesTests
{
    private const double Tolerance = 1e-5;

    private static readonly AdapterSettings Settings = new() { Rank = 4, Alpha = 6 };

    [TestMethod]
    public void RmLoraPenalisesAndMasksAllButSomeDirections()
    {
        using var scope = NewDisposeScope();
        foreach (var shared in new[] { true, false })
        {
            using var run = new Run(new RmLoraMethod { Directions = 1, Penalty = 3, Shared = shared }, steps: 9);
            double Distance(Tensor rows) => (rows.matmul(rows.t()) - eye(4)).norm().item<float>();
            var expected = 3 * run.Adapters.Average(a => (Distance(a.A.Value) + Distance(a.B.Value.t())) / 2);
            Assert.AreEqual(expected, run.Hooks.Penalty()!.item<float>(), Tolerance * expected);
            using var noGrad = no_grad();
            run.Parameters.Gradient().fill_(1);
            run.Hooks.BeforeUpdate(0, 1);
            Assert.IsTrue(run.Parameters.Gradient().eq(1).all().item<bool>(), "the first step is whole");
            run.Hooks.BeforeUpdate(1, 1);
            int same = 0;
            foreach (var adapter in run.Adapters)
            {
                var (a, b) = (run.Of(adapter.A, run.Parameters.Gradient()), run.Of(adapter.B, run.Parameters.Gradient()));
                var (rows, columns) = (a.sum([1L]).nonzero().reshape(-1), b.sum([0L]).nonzero().reshape(-1));
                Assert.AreEqual((1, 1, a.shape[1], b.shape[0]), ((int)rows.numel(), (int)columns.numel(), (long)a.sum().item<float>(), (long)b.sum().item<float>()));
                same += rows.item<long>() == columns.item<long>() ? 1 : 0;
            }
            Assert.AreEqual(shared, same == run.Adapters.Count);
            Assert.IsTrue(run.Of(run.Model.Head.Dense.Weight, run.Parameters.Gradient()).eq(1).all().item<bool>(), "the head is not masked");
        }
    }

    [TestMethod]
    [DataRow(4, 2)]
    [DataRow(3, 2)]
    [DataRow(1, 1)]
    public void RmLoraMovesHalfOfTheDirectionsUnlessSaidOtherwise(int rank, int moved)
    {
        using var scope = NewDisposeScope();
        using var run = new Run(new RmLoraMethod(), steps: 9, rank: rank);
        using var noGrad = no_grad();
        run.Parameters.Gradient().fill_(1);
        run.Hooks.BeforeUpdate(1, 1);
        Assert.AreEqual(moved, run.Of(run.Adapters[0].B, run.Parameters.Gradient())[0].sum().item<float>());
    }

    [TestMethod]
    public void BeamLoraScalesByASoftmax()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var method = new BeamLoraMethod { Temperature = 0.1 };
        using var run = new Run(method, steps: 9);
        var adapter = run.Adapters[0];
        var (p, a, b) = (((GatedAdapter)adapter).Gate.Value, adapter.A.Value, adapter.B.Value);
        var powers = p.data<float>().ToArray().Select(v => Math.Exp(v / 0.1)).ToArray();
        var g = tensor(powers.Select(v => (float)(4 * v / powers.Sum())).ToArray());
        TensorAssert.Close(b.matmul(diag(g)).matmul(a) * 1.5, adapter.EffectiveWeight(zeros(16, 16)), 1e-4, "the change");
    }

    [TestMethod]
    public void BeamLorasWeakRanksAreThoseBeyondTheShare()
    {
        // Of 4 in all, 2.6 + 1 + 0.2 are 95 in 100.
        var weak = BeamLoraHooks.Weak([[1f, 2.6f], [0.2f, 0.15f], [0.05f, 0f]], share: 3.8 / 6);
        CollectionAssert.AreEqual(new[] { false, false, false, true, true, true }, weak.SelectMany(w => w).ToArray());
        Assert.IsFalse(BeamLoraHooks.Weak([[1f, 1f]], share: 1).SelectMany(w => w).Any(w => w));
    }

    [TestMethod]
    public void BeamLorasWeakRanksBecomeStrongOnesOfBefore()
    {
        using var scope = NewDisposeScope();
        using var run = new Run(new BeamLoraMethod { Every = 4, Keep = 0.966, UntilSteps = 100 }, steps: 12);
        using var noGrad = no_grad();
        var flat = run.Parameters.Flat.detach();
        run.First.fill_(5);
        run.Second.fill_(6);
        run.Hooks.AfterUpdate(1, 1); // the second step: what is kept
        var then = flat.clone();
        flat.add_(1);
        run.First.fill_(7);
        run.Second.fill_(8);
        foreach (var adapter in run.Adapters.Cast<GatedAdapter>())
            run.Of(adapter.Gate, flat).copy_(tensor(new[] { 0f, 0.2f, 0f, -1f }));
        var now = flat.clone();
        run.Hooks.AfterUpdate(3, 1);
        var method = (BeamLoraMethod)run.Method;
        foreach (var adapter in run.Adapters.Cast<GatedAdapter>())
        {
            var (a, p) = (run.Of(adapter.A, flat), run.Of(adapter.Gate, flat).data<float>().ToArray());
            Assert.AreEqual(4 / 1.0, method.Importance(tensor(p)).sum().item<float>(), Tolerance);
            TensorAssert.Identical(run.Of(adapter.A, now).select(0, 1), a.select(0, 1), "the strongest stays");
            // Rank 1 has 96.5 in 100 of its layer's importance, so that the others are weak: their rows come from before.
            var old = run.Of(adapter.A, then);
            foreach (var rank in new[] { 0, 2, 3 })
                Assert.IsTrue(Enumerable.Range(0, 4).Any(from => old.select(0, from).equal(a.select(0, rank)).all().item<bool>()), $"rank {rank} of {adapter.Target.ModuleName}");
            foreach (var (moments, before, after) in new[] { (run.First, 5, 7), (run.Second, 6, 8) })
            {
                Assert.IsFalse(run.Of(adapter.Gate, moments).any().item<bool>(), "gates begin anew");
                var (ma, mb) = (run.Of(adapter.A, moments), run.Of(adapter.B, moments));
                Assert.IsTrue(ma[3].eq(before).all().item<bool>() && mb.select(1, 3).eq(before).all().item<bool>(), "a weak rank has a strong one's moments of before");
                Assert.IsTrue(ma[1].eq(after).all().item<bool>() && mb.select(1, 1).eq(after).all().item<bool>(), "the strongest keeps its own");
            }
        }
        var end = flat.clone();
        run.Hooks.AfterUpdate(11, 1); // fewer than four steps are left
        TensorAssert.Identical(end, flat.clone(), "after the last step");
    }

    [TestMethod]
    public void AlorasLeastImportantRanksCloseAndOthersOpenWhereNoneDid()
    {
        const double Shut = double.NaN;
        var (closed, opened) = AloraHooks.Allocate([[5, 1, Shut, Shut], [9, 8, Shut, Shut], [3, 2.5, Shut, Shut], [0.5, 7, Shut, Shut]], moved: 3);
        CollectionAssert.AreEqual(new[] { 0b0010, 0, 0b0010, 0b0001 }, closed.Select(c => c.Select((v, i) => v ? 1 << i : 0).Sum()).ToArray());
        CollectionAssert.AreEqual(new[] { 0, 2, 0, 0 }, opened, "three moved, and the one layer that lost none has room for two");
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, AloraHooks.Allocate([[0, 0.1, 0.2], [4, 5, Shut], [6, 7, Shut, Shut]], moved: 3).Opened, "the more important layer first");
    }

    [TestMethod]
    public void AloraJudgesARankByTheLossWithoutItAndWithItAlone()
    {
        using var scope = NewDisposeScope();
        // A made-up loss: either of two ranks of the second layer is enough, so that neither is missed, and those of the first help a little.
        using var run = new Run(new AloraMethod { WarmupSteps = 2, Moved = 3, Room = 3 }, steps: 9, disturb: false);
        var gates = run.Adapters.Cast<GatedAdapter>().Select(a => a.Gate).ToArray();
        var calls = 0;
        float[] Open(int layer) => run.Of(gates[layer], run.Parameters.Flat.detach()).data<float>().ToArray();
        run.Judge = () =>
        {
            calls++;
            return 1 - Math.Max(Open(1)[0], Open(1)[1]) - (0.01 * Open(0).Sum());
        };
        using var noGrad = no_grad();
        var flat = run.Parameters.Flat.detach();
        run.Hooks.AfterUpdate(0, 1);
        Assert.AreEqual(0, calls, "before the first round");
        run.First.fill_(5);
        run.Second.fill_(5);
        run.Hooks.AfterUpdate(1, 1);
        Assert.AreEqual(2 * 4 * gates.Length, calls);
        CollectionAssert.AreEqual(new[] { 1f, 1, 0, 0, 0, 0, 0 }, Open(1));
        CollectionAssert.AreEqual(new[] { 5f, 2, 3, 5, 5, 4 }, Enumerable.Range(0, 6).Select(l => Open(l).Sum()).ToArray(), "two layers lost ranks; of the others the more important ones got one each");
        var (a, b) = (run.Of(run.Adapters[0].A, flat), run.Of(run.Adapters[0].B, flat));
        Assert.IsTrue(a.narrow(0, 4, 1).ne(0).all().item<bool>() && !b.narrow(1, 4, 1).any().item<bool>());
        foreach (var moments in new[] { run.First, run.Second })
        {
            (a, b) = (run.Of(run.Adapters[0].A, moments), run.Of(run.Adapters[0].B, moments));
            Assert.IsFalse(a[4].any().item<bool>() || b.select(1, 4).any().item<bool>(), "what opens has no moments");
            Assert.IsTrue(a[0].eq(5).all().item<bool>() && b.select(1, 0).eq(5).all().item<bool>(), "what was open keeps them");
        }
    }

    [TestMethod]
    public void AloraHasItsRoundsAndNoneAfterTheLastStep()
    {
        var rounds = new List<long>();
        long step = 0;
        using var scope = NewDisposeScope();
        using var run = new Run(new AloraMethod { WarmupSteps = 2, Interval = 3, Rounds = 3 }, steps: 8)
        {
            Judge = () =>
            {
                rounds.Add(step);
                return 0;
            },
        };
        using var noGrad = no_grad();
        for (; step < 8; step++)
            run.Hooks.AfterUpdate(step, 1);
        CollectionAssert.AreEqual(new long[] { 1, 4 }, rounds.Distinct().ToArray(), "the third would come after the last step");
    }

    [TestMethod]
    public void AlorasGatesAreNotTrainedAndClosedRanksDoNotLearn()
    {
        using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.MaxEpochs) = (new AloraMethod { WarmupSteps = 3, Rounds = 1 }, 2), rows: 40, validationRows: 8));
        var gates = trained.State.Tensors.Where(t => t.Key.EndsWith(AloraMethod.Gate, StringComparison.Ordinal)).ToArray();
        var values = gates.SelectMany(g => g.Value.data<float>().ToArray()).ToArray();
        Assert.IsTrue(values.All(v => v is 0 or 1) && gates.Any(g => g.Value.sum().item<float>() > 4) && gates.Any(g => g.Value.sum().item<float>() < 4), string.Join(" ", values));
        foreach (var (name, value) in gates)
        {
            var b = trained.State.Tensors[name[..^AloraMethod.Gate.Length] + LinearAdapter.Names.B];
            Assert.IsFalse(b.narrow(1, 4, 4).mul(1 - value.narrow(0, 4, 4)).any().item<bool>(), "a rank that never opened");
        }
    }

    [TestMethod]
    public void BeamLoraExchangesInARun()
    {
        double Loss(BeamLoraMethod method)
        {
            using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.MaxEpochs) = (method, 2), rows: 40));
            return trained.History.Epochs[1].TrainLoss;
        }
        Assert.AreNotEqual(Loss(new() { Every = 2, Keep = 0.5, UntilSteps = 1 }), Loss(new() { Every = 2, Keep = 0.5 }), 1e-7, "UntilSteps = 1 exchanges nothing");
    }

    [TestMethod]
    [DataRow("beamlora:every=20", "of 10 steps")]
    [DataRow("alora:warmup=10", "of 10 steps")]
    [DataRow("rm-lora:directions=5", "5 directions")]
    public void WhatDoesNotFitTheRunIsRefusedBeforeIt(string method, string expected)
    {
        var request = ToyRun.Request(o => o.Method = FineTuningMethod.Parse(method), rows: 40);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => FineTuningRun.Execute(request)).Message, expected);
    }

    /// <summary>A method's hooks over a small model.</summary>
    private sealed class Run : IDisposable
    {
        private readonly MethodRun _run;

        public Run(LoraFamilyMethod method, long steps, bool disturb = true, int rank = 4)
        {
            var settings = Settings with { Rank = rank };
            using var weights = TinyModel.Base();
            Method = method;
            Model = TinyModel.Create(weights);
            using var noGrad = no_grad();
            var targets = method.Targets(settings, Model.Config);
            method.Apply(Model, new(settings, 3, targets, AdapterTests.RandomFactors(targets)));
            foreach (var parameter in Model.Linears.Select(l => l.Adapter).OfType<LowRankAdapter>().SelectMany(a => a.Parameters).Where(_ => disturb))
                parameter.Replace(parameter.Value + (randn(parameter.Shape, generator: new Generator(SeededRandom.Hash(9, parameter.Name))) * 0.1));
            Parameters = new TrainableParameters(Model.Parameters);
            (First, Second) = (zeros_like(Parameters.Flat.detach()), zeros_like(Parameters.Flat.detach()));
            _run = new(Model, Parameters, steps, 1, settings) { Moments = (First, Second), Judge = () => Judge() };
            Hooks = method.Hooks(_run)!;
            using var grad = enable_grad();
            Parameters.Bind();
        }

        public LoraFamilyMethod Method { get; }

        public RobertaClassifier Model { get; }

        public TrainableParameters Parameters { get; }

        public Tensor First { get; }

        public Tensor Second { get; }

        public Func<double> Judge { get; set; } = () => 0;

        public MethodHooks Hooks { get; }

        public IReadOnlyList<LowRankAdapter> Adapters => _run.Adapters<LowRankAdapter>();

        public Tensor Of(Parameter parameter, Tensor flat) => _run.Place(parameter).Of(flat);

        public void Dispose()
        {
            Hooks.Dispose();
            Parameters.Dispose();
            Model.Dispose();
        }
    }
}
