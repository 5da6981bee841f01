namespace Microsoft.ML.LoraInit.Inference.Explanation;

/// <summary>Gauss–Legendre quadrature on [0, 1]: exact for polynomials up to degree 2n − 1.</summary>
internal static class GaussLegendre
{
    /// <summary>n nodes and their weights, which sum up to 1: the roots of the Legendre polynomial Pₙ, found by Newton's method.</summary>
    public static (double Node, double Weight)[] Points(int n)
    {
        var points = new (double, double)[n];
        for (int i = 0; i < n; i++)
        {
            double x = Math.Cos(Math.PI * (i + 0.75) / (n + 0.5)), slope = 1;
            for (int iteration = 0; iteration < 100; iteration++)
            {
                (double value, slope) = Legendre(n, x);
                double step = value / slope;
                x -= step;
                if (Math.Abs(step) < 1e-15)
                    break;
            }
            // On [−1, 1] the weight is 2 / ((1 − x²) Pₙ′(x)²).
            points[n - 1 - i] = ((x + 1) / 2, 1 / ((1 - x * x) * slope * slope));
        }
        return points;
    }

    /// <summary>Pₙ(x) and its derivative, by the three-term recurrence.</summary>
    private static (double Value, double Slope) Legendre(int n, double x)
    {
        double previous = 1, value = x;
        for (int k = 2; k <= n; k++)
            (previous, value) = (value, ((2 * k - 1) * x * value - (k - 1) * previous) / k);
        return (value, n * (x * value - previous) / (x * x - 1));
    }
}
