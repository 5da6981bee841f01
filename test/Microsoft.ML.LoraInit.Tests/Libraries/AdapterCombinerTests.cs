using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Libraries;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static Microsoft.ML.LoraInit.Tests.Libraries.AdapterLibraryRefusalTests;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Libraries;

/// <summary>Each way to combine, against products computed element by element.</summary>
[TestClass]
public sealed class AdapterCombinerTests
{
    private const double Tolerance = 1e-5;
    private const string Query = "roberta.encoder.layer.0.attention.self.query";
    private const string Output = "roberta.encoder.layer.2.output.dense";

    [TestMethod]
    [DataRow(0.7, 0.5)]
    [DataRow(1.0, -0.3)]
    public void LinearAddsFactorsByRootsWithTheSignOnOneSide(double w1, double w2)
    {
        using var scope = NewDisposeScope();
        using FineTunedState first = State(1, 4, 6, Query), second = State(2, 4, 10, Query);
        var made = Combine(AdapterCombination.Linear(), ("one", first, w1), ("two", second, w2)).Adapters.Single();
        double r1 = Math.Sqrt(w1 * 6 / 4), r2 = Math.Sqrt(Math.Abs(w2) * 10 / 4), sign = Math.Sign(w2);
        var (a1, b1, a2, b2) = (A(first), B(first), A(second), B(second));
        AssertMatrix(Numbers(4, 16, (i, j) => (r1 * a1[i, j]) + (sign * r2 * a2[i, j])), made.A);
        AssertMatrix(Numbers(16, 4, (i, j) => (r1 * b1[i, j]) + (r2 * b2[i, j])), made.B);
        Assert.AreEqual(1, made.Target.Scaling);
        // One adapter alone is itself.
        var alone = Combine(AdapterCombination.Linear(), ("two", second, -0.3)).Adapters.Single();
        AssertMatrix(Scale(Delta(second), -0.3), Product(alone));
    }

    [TestMethod]
    public void ConcatenationIsExactlyTheSumOfTheChanges()
    {
        using var scope = NewDisposeScope();
        using FineTunedState first = State(1, 4, 6, Query, Output), second = State(2, 2, 10, Query), third = State(3, 12, 5, Query);
        var made = Combine(AdapterCombination.Concatenation(), ("one", first, 0.7), ("two", second, -0.5)).Adapters;
        CollectionAssert.AreEqual(new[] { (Query, 6), (Output, 4) }, made.Select(a => (a.Target.ModuleName, a.Target.Rank)).ToArray());
        AssertMatrix(Sum(Scale(Delta(first), 0.7), Scale(Delta(second), -0.5)), Product(made[0]));
        AssertMatrix(Scale(Delta(first, Output), 0.7), Product(made[1]));

        // 4 + 12 + 2 is more than the layer can have; the sum stays exact.
        var wide = Combine(AdapterCombination.Concatenation(), ("one", first, 1), ("two", second, 1), ("three", third, 1)).Adapters[0];
        Assert.AreEqual(16, wide.Target.Rank);
        AssertMatrix(Sum(Sum(Delta(first), Delta(second)), Delta(third)), Product(wide));
    }

    [TestMethod]
    public void SvdIsTheBestOfItsRank()
    {
        using var scope = NewDisposeScope();
        using FineTunedState first = State(1, 4, 6, Query), second = State(2, 3, 10, Query);
        var sum = tensor(Sum(Scale(Delta(first), 0.7), Scale(Delta(second), 0.5)));
        var values = linalg.svdvals(sum).data<double>().ToArray();
        foreach (int? rank in new int?[] { 1, 3, null, 7, 100 })
        {
            var made = Combine(AdapterCombination.Svd(rank), ("one", first, 0.7), ("two", second, 0.5)).Adapters.Single();
            int expected = Math.Min(rank ?? 4, 7);
            Assert.AreEqual(expected, made.Target.Rank);
            // Eckart and Young: no matrix of this rank is nearer.
            var lost = (sum - tensor(Product(made))).norm().item<double>();
            Assert.AreEqual(Math.Sqrt(values.Skip(expected).Sum(v => v * v)), lost, Tolerance, $"rank {rank}");
        }
    }

    [TestMethod]
    [DataRow(0.3, MajoritySign.Total)]
    [DataRow(0.5, MajoritySign.Frequency)]
    [DataRow(1.0, MajoritySign.Total)]
    public void TiesFollowsItsPaper(double density, MajoritySign election)
    {
        using var scope = NewDisposeScope();
        using FineTunedState first = State(1, 4, 6, Query), second = State(2, 4, 10, Query), third = State(3, 4, 4, Query);
        double[] weights = [0.7, 0.5, 0.9], scalings = [1.5, 2.5, 1];
        var parts = new[] { ("one", first, weights[0]), ("two", second, weights[1]), ("three", third, weights[2]) };
        double[] roots = [.. weights.Zip(scalings, (w, s) => Math.Sqrt(w * s))];

        var made = Combine(AdapterCombination.Ties(density, election), parts).Adapters.Single();
        AssertMatrix(Ties([A(first), A(second), A(third)], roots, density, election), made.A);
        AssertMatrix(Ties([B(first), B(second), B(third)], roots, density, election), made.B);

        var whole = Combine(AdapterCombination.TiesSvd(density, 16, election), parts).Adapters.Single();
        AssertMatrix(Ties([Delta(first), Delta(second), Delta(third)], weights, density, election), Product(whole));
    }

    [TestMethod]
    public void HeadsAreAveragedOrChosen()
    {
        using var scope = NewDisposeScope();
        using FineTunedState first = State(1, 4, 6, Query), second = State(2, 4, 10, Query);
        (string, FineTunedState, double)[] parts = [("one", first, 3), ("two", second, 1)];
        var mean = AdapterCombiner.Combine(parts, AdapterCombination.Linear(), null).Head!;
        var chosen = AdapterCombiner.Combine(parts, AdapterCombination.Linear(), "two").Head!;
        foreach (var (name, _) in ClassificationHead.Layout(TinyModel.Config, 3))
        {
            TensorAssert.Close((first.Tensors[name] * 0.75) + (second.Tensors[name] * 0.25), mean[name], 1e-6, name);
            TensorAssert.Identical(second.Tensors[name], chosen[name], name);
        }
        Says<ArgumentException>(() => AdapterCombiner.Combine(parts, AdapterCombination.Linear(), "three"), "'three'", "'one', 'two'");
        Says<ArgumentException>(() => AdapterCombiner.Combine([("one", first, 1), ("two", second, -1)], AdapterCombination.Linear(), null), "headFrom");
    }

    [TestMethod]
    public void WhatDoesNotFitIsRefused()
    {
        using var scope = NewDisposeScope();
        using FineTunedState four = State(1, 4, 6, Query), two = State(2, 2, 10, Query), head = State(3, 4, 6), dora = Dora();
        foreach (var method in new[] { AdapterCombination.Linear(), AdapterCombination.Ties() })
            Says<ArgumentException>(() => Combine(method, ("one", four, 1), ("two", two, 1)), "'one'", "'two'", "4 and 2", Query, "svd");
        Says<ArgumentException>(() => Combine(AdapterCombination.Svd(), ("one", four, 1), ("two", head, 1)), "'two'", "head alone");
        Says<ArgumentException>(() => Combine(AdapterCombination.Svd(), ("one", four, 1), ("two", dora, 1)), "'two'", "DoRA");
    }

    [TestMethod]
    [DataRow("linear")]
    [DataRow("cat")]
    [DataRow("svd")]
    [DataRow("svd:rank=8")]
    [DataRow("ties:density=0.2")]
    [DataRow("ties:density=0.5,sign=frequency")]
    [DataRow("ties-svd:density=0.3,rank=8,sign=frequency")]
    public void MethodsAreWrittenAsText(string text)
    {
        Assert.AreEqual(text, AdapterCombination.Parse(text).ToString());
        Assert.AreEqual(AdapterCombination.Parse(text), AdapterCombination.Parse(text));
    }

    [TestMethod]
    [DataRow("mean", "linear, cat, svd")]
    [DataRow("cat:rank=4", "rank")]
    [DataRow("svd:rank=x", "whole number")]
    [DataRow("svd:rank=0", "at least 1")]
    [DataRow("ties:density=2", "density")]
    [DataRow("ties:sign=both", "frequency")]
    [DataRow("svd:rank", "name=value")]
    public void WrongTextIsRefused(string text, string said)
    {
        var error = Assert.Throws<ArgumentException>(() => AdapterCombination.Parse(text));
        StringAssert.Contains(error.Message, said);
    }

    private static PeftWeights Combine(AdapterCombination method, params (string, FineTunedState, double)[] parts) =>
        AdapterCombiner.Combine(parts, method, parts[0].Item1);

    private static FineTunedState State(int seed, int rank, double alpha, params string[] modules)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed, CPU);
        Tensor Draw(params long[] shape) => empty(shape).normal_(0.0, 0.5, generator);
        var head = ClassificationHead.Layout(TinyModel.Config, 3).ToDictionary(l => l.Name, l => Draw(l.Shape));
        if (modules.Length == 0)
            return new(TinyModel.Identity, TinyModel.Config, 3, new FineTunedDescription { Method = FineTuningMethod.HeadOnly() }, head);
        var targets = modules.Select(m => new AdapterTarget(m, m == Output ? 32 : 16, 16, rank, alpha, false));
        return new PeftWeights([.. targets.Select(t => new PlainAdapter(t, Draw(rank, t.InFeatures), Draw(t.OutFeatures, rank), null) { TrainedRank = rank })], head, 0)
            .ToState(TinyModel.Identity, TinyModel.Config);
    }

    private static FineTunedState Dora()
    {
        using var scope = NewDisposeScope();
        using var plain = State(5, 4, 6, Query);
        var adapter = new PlainAdapter(plain.Adapters[0].Target, plain.Tensors[Query + LinearAdapter.Names.A], plain.Tensors[Query + LinearAdapter.Names.B], ones(16)) { TrainedRank = 4 };
        var head = ClassificationHead.Layout(TinyModel.Config, 3).ToDictionary(l => l.Name, l => plain.Tensors[l.Name]);
        return new PeftWeights([adapter], head, 0).ToState(TinyModel.Identity, TinyModel.Config);
    }

    /// <summary>TIES by its definition, one element after the other.</summary>
    private static double[,] Ties(double[][,] values, double[] weights, double density, MajoritySign election)
    {
        var kept = values.Select(value =>
        {
            var all = value.Cast<double>().Select(Math.Abs).OrderDescending().ToArray();
            double least = all[(int)(density * all.Length) - 1];
            return Numbers(value.GetLength(0), value.GetLength(1), (i, j) => Math.Abs(value[i, j]) >= least ? value[i, j] : 0);
        }).ToArray();
        return Numbers(values[0].GetLength(0), values[0].GetLength(1), (i, j) =>
        {
            double votes = kept.Sum(k => election == MajoritySign.Total ? k[i, j] : Math.Sign(k[i, j]));
            int sign = votes >= 0 ? 1 : -1;
            var agreeing = kept.Zip(weights).Where(k => Math.Sign(k.First[i, j]) == sign).Select(k => k.Second * k.First[i, j]).ToArray();
            return agreeing.Length == 0 ? 0 : agreeing.Average();
        });
    }

    private static double[,] A(FineTunedState state, string module = Query) => Matrix(state.Tensors[module + LinearAdapter.Names.A]);

    private static double[,] B(FineTunedState state, string module = Query) => Matrix(state.Tensors[module + LinearAdapter.Names.B]);

    private static double[,] Delta(FineTunedState state, string module = Query) =>
        Scale(Product(A(state, module), B(state, module)), state.Adapters.Single(a => a.Target.ModuleName == module).Target.Scaling);

    private static double[,] Product(PlainAdapter adapter) => Scale(Product(Matrix(adapter.A), Matrix(adapter.B)), adapter.Target.Scaling);

    private static double[,] Product(double[,] a, double[,] b) => Numbers(b.GetLength(0), a.GetLength(1), (i, j) =>
    {
        double sum = 0;
        for (int k = 0; k < a.GetLength(0); k++)
            sum += b[i, k] * a[k, j];
        return sum;
    });

    private static double[,] Scale(double[,] value, double factor) => Numbers(value.GetLength(0), value.GetLength(1), (i, j) => factor * value[i, j]);

    private static double[,] Sum(double[,] a, double[,] b) => Numbers(a.GetLength(0), a.GetLength(1), (i, j) => a[i, j] + b[i, j]);

    private static double[,] Numbers(int rows, int columns, Func<int, int, double> element)
    {
        var result = new double[rows, columns];
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                result[i, j] = element(i, j);
        return result;
    }

    private static double[,] Matrix(Tensor value)
    {
        var numbers = value.data<float>().ToArray();
        int columns = (int)value.shape[1];
        return Numbers((int)value.shape[0], columns, (i, j) => numbers[(i * columns) + j]);
    }

    private static void AssertMatrix(double[,] expected, Tensor actual) => AssertMatrix(expected, Matrix(actual));

    private static void AssertMatrix(double[,] expected, double[,] actual)
    {
        Assert.AreEqual((expected.GetLength(0), expected.GetLength(1)), (actual.GetLength(0), actual.GetLength(1)));
        for (int i = 0; i < expected.GetLength(0); i++)
            for (int j = 0; j < expected.GetLength(1); j++)
                Assert.AreEqual(expected[i, j], actual[i, j], Tolerance, $"[{i}, {j}]");
    }
}
