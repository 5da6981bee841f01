using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>The two-sided one-sample Kolmogorov–Smirnov test.</summary>
internal static class KolmogorovSmirnov
{
    /// <summary>The probability of a sample that is at least as far from the distribution, by the asymptotic law.</summary>
    public static double PValue(Tensor sample, Func<double, double> cumulative)
    {
        var values = sample.to(ScalarType.Float64).reshape(-1).data<double>().ToArray();
        Array.Sort(values);
        double n = values.Length, distance = 0;
        for (int i = 0; i < values.Length; i++)
        {
            var f = cumulative(values[i]);
            distance = Math.Max(distance, Math.Max(f - i / n, (i + 1) / n - f));
        }
        var root = Math.Sqrt(n);
        var lambda = (root + 0.12 + 0.11 / root) * distance;
        double p = 0;
        for (int k = 1; k <= 100; k++)
            p += 2 * (k % 2 == 1 ? 1 : -1) * Math.Exp(-2.0 * k * k * lambda * lambda);
        return lambda < 0.2 ? 1 : Math.Clamp(p, 0, 1);
    }

    public static Func<double, double> Uniform(double bound) => x => Math.Clamp((x + bound) / (2 * bound), 0, 1);

    public static Func<double, double> Normal(double deviation) => x => 0.5 * ErrorFunctionComplement(-x / (deviation * Math.Sqrt(2)));

    // The Chebyshev fit of Numerical Recipes, section 6.2: relative error below 1.2e-7.
    private static double ErrorFunctionComplement(double x)
    {
        var t = 1 / (1 + 0.5 * Math.Abs(x));
        double[] coefficients = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277];
        double exponent = 0;
        foreach (var c in coefficients.Reverse())
            exponent = exponent * t + c;
        var value = t * Math.Exp(-x * x + exponent);
        return x >= 0 ? value : 2 - value;
    }
}
