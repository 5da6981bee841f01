using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>LoRA-Pro's steps, adapters of one shape together.</summary>
internal sealed class LoraProHooks : MethodHooks
{
    private const double Damping = 1e-8;
    private const double Rounding = 1e-12; // of a Gram matrix of fp32 numbers

    private readonly TrainableParameters _parameters;
    private readonly Group[] _groups;

    /// <summary>Adapters of one shape and scale, with Adam's moments [k, out, in].</summary>
    private sealed record Group(double Scaling, (FlatPlace A, FlatPlace B)[] Places, AdamMoments Moments);

    public LoraProHooks(MethodRun run)
    {
        _parameters = run.Parameters;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _groups =
        [
            .. run.Adapters<LoraAdapter>().GroupBy(a => (a.Scaling, a.Target.Rank, a.Target.OutFeatures, a.Target.InFeatures)).Select(g => new Group(
                g.Key.Scaling, [.. g.Select(a => (run.Place(a.A), run.Place(a.B)))], new(_parameters.Flat.device, g.Count(), g.Key.OutFeatures, g.Key.InFeatures))),
        ];
    }

    public override IEnumerable<KeyValuePair<string, Tensor>> State => _groups.SelectMany((g, i) => g.Moments.State($"{i}"));

    public override void BeforeUpdate(long step, double learningRate)
    {
        var (values, gradient) = (_parameters.Flat.detach(), _parameters.Gradient());
        foreach (var group in _groups)
        {
            using var scope = NewDisposeScope();
            Move(group, values, gradient, step + 1, learningRate);
        }
    }

    private static void Move(Group group, Tensor values, Tensor gradient, long steps, double rate)
    {
        var s = group.Scaling;
        var (a, b) = (Take(values, p => p.A), Take(values, p => p.B)); // [k, r, in], [k, out, r]
        var (bb, aa) = (Gram.Of(b.transpose(1, 2)), Gram.Of(a));
        var (bbInverse, aaInverse) = (bb.Inverse(), aa.Inverse());

        var (ga, gb) = Equivalent(Take(gradient, p => p.A), Take(gradient, p => p.B));
        var full = b.matmul(ga).Add(gb.matmul(a)).Mul(s); // [k, out, in]
        var adam = group.Moments.Direction(full, steps);

        var (da, db) = (b.transpose(1, 2).matmul(adam).Mul(s), adam.matmul(a.transpose(1, 2)).Mul(s));
        (ga, gb) = Equivalent(da, db);
        var x = Sylvester(bb, aa, ga.matmul(a.transpose(1, 2)).to(ScalarType.Float64).neg()).to(ScalarType.Float32);
        ga = ga.Add(x.matmul(a));
        gb -= b.matmul(x);
        for (int i = 0; i < group.Places.Length; i++)
        {
            group.Places[i].A.Of(values).Add_(ga[i], -rate);
            group.Places[i].B.Of(values).Add_(gb[i], -rate);
        }

        (Tensor A, Tensor B) Equivalent(Tensor gradientA, Tensor gradientB)
        {
            var outside = gradientB - b.matmul(bbInverse.matmul(b.transpose(1, 2).matmul(gradientB)));
            return (bbInverse.matmul(gradientA).Div(s * s), outside.matmul(aaInverse).Div(s * s));
        }

        Tensor Take(Tensor flat, Func<(FlatPlace A, FlatPlace B), FlatPlace> place) => stack([.. group.Places.Select(p => place(p).Of(flat))]);
    }

    /// <summary>X with P·X + X·Q = C for symmetric P, Q of no negative eigenvalue; 0 where the eigenvalues' sum vanishes.</summary>
    private static Tensor Sylvester(Gram p, Gram q, Tensor c)
    {
        var (u, v) = (p.Vectors, q.Vectors);
        var sums = p.Values.unsqueeze(2).Add(q.Values.unsqueeze(1));
        var inner = u.transpose(1, 2).matmul(c).matmul(v);
        return u.matmul(where(sums.Gt(Damping), inner / sums, zeros_like(inner))).matmul(v.transpose(1, 2));
    }

    /// <summary>F·Fᵀ [k, r, r] of factors F, decomposed. fp64 from the factors on, since its condition is the square of theirs.</summary>
    /// <param name="Values">[k, r], rising.</param>
    /// <param name="Vectors">[k, r, r], as columns.</param>
    private readonly record struct Gram(Tensor Values, Tensor Vectors)
    {
        /// <param name="factors">[k, r, n].</param>
        public static Gram Of(Tensor factors)
        {
            var wide = factors.to(ScalarType.Float64);
            var (values, vectors) = Linalg.Eigh(wide.matmul(wide.transpose(1, 2)));
            return new(values, vectors);
        }

        /// <summary>
        /// (F·Fᵀ + δI)⁻¹, fp32; zero along directions that F has by fp32's rounding alone (as of a start whose factors are of a lower rank),
        /// which 1/δ would blow up.
        /// </summary>
        public Tensor Inverse()
        {
            var real = Values.gt(Values.amax([-1L], true).Mul(Rounding));
            var inverse = where(real, Values.Add(Damping).reciprocal(), zeros_like(Values));
            return (Vectors * inverse.unsqueeze(-2)).matmul(Vectors.transpose(1, 2)).to(ScalarType.Float32);
        }
    }
}
